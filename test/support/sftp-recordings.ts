import { execa } from 'execa';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createPacketSplitter } from '../../src/sftp/packet-reader.ts';
import { PacketWriter } from '../../src/sftp/packet-writer.ts';
import { Extension, Packet } from '../../src/sftp/protocol.ts';
import { commitFields } from './commit-request.ts';
import { makeSite } from './site.ts';
import { startSshd } from './sshd.ts';

/** The requests of a session, in their order, without their lengths. */
export type Session = readonly Buffer[];

const MOST_BYTES = 5000;

/** What real clients ask: OpenSSH's sftp, lftp, rclone and isocket, heard by a tee before OpenSSH's server; and our own extensions. */
export const recordSessions = async (folder: string): Promise<readonly Session[]> => {
  const heard = `${folder}/heard`;
  mkdirSync(heard, { recursive: true });
  const command = `sh -c 'exec tee ${heard}/$$ | /usr/lib/openssh/sftp-server'`;
  await using server = await startSshd(folder, { config: [`ForceCommand ${command}`] });
  const { port, identityFile, knownHosts, folder: root } = server;
  writeFileSync(`${folder}/data`, Buffer.alloc(MOST_BYTES, 7));
  const options = `-F none -i ${identityFile} -o UserKnownHostsFile=${knownHosts} -o LogLevel=ERROR`;
  const work = `put -p data a\nrename a b\nmkdir d\nput data d/c\nls -la\nls d\nchmod 600 b\nget b back\n-reput data b\nrm b\nrm d/c\nrmdir d\ndf\n`;
  await execa('sftp', [...options.split(' '), '-P', String(port), '-b', '-', `root@127.0.0.1:${root}`], {
    cwd: folder,
    input: work.replaceAll('put -p data', `put -p ${folder}/data`),
  });
  const connect = `set sftp:connect-program "ssh -a -x ${options}"; open -u root,x -p ${port} sftp://127.0.0.1;`;
  await execa('lftp', ['-c', `${connect} cd ${root}; put ${folder}/data; mv data e; cls -l; cat e; rm e; bye`]);
  const remote = `:sftp,host=127.0.0.1,port=${port},user=root,key_file=${identityFile},known_hosts_file=${knownHosts},shell_type=none:${root}`;
  const config = { env: { RCLONE_CONFIG: '/dev/null' } };
  await execa('rclone', ['copyto', `${folder}/data`, `${remote}/f`], config);
  await execa('rclone', ['deletefile', `${remote}/f`], config);
  const site = makeSite(folder, server);
  mkdirSync(`${site.root}/DC1`);
  for (const name of ['a', 'b', 'finished.parse']) writeFileSync(`${site.root}/DC1/${name}`, name);
  await site.run(['scan']);
  const recorded = readdirSync(heard).map((name) => packetsOf(readFileSync(`${heard}/${name}`)));
  // What they name is the root of the receiver.
  const below = recorded.map((session) => session.map((packet) => withoutFolder(packet, root)));
  return [...below.filter((session) => session.length > 2), ownSession()];
};

const packetsOf = (bytes: Buffer): Session => {
  const packets: Buffer[] = [];
  createPacketSplitter((packet) => packets.push(Buffer.from(packet)))(bytes);
  return packets;
};

/** A path below `folder` is one below "/": strings with their lengths. */
const withoutFolder = (packet: Buffer, folder: string): Buffer => {
  const at = packet.indexOf(folder);
  if (at < 4) return packet;
  const length = packet.readUInt32BE(at - 4);
  const head = Buffer.from(packet.subarray(0, at));
  if (length < folder.length || at + length > packet.length) return packet;
  head.writeUInt32BE(length - folder.length, at - 4);
  return withoutFolder(Buffer.concat([head, packet.subarray(at + folder.length)]), folder);
};

const ownSession = (): Session => {
  const writer = new PacketWriter();
  writer.begin(Packet.INIT).u32(3).end();
  for (const path of ['g', 'd/h', '/g']) commitFields({ path })(writer.begin(Packet.EXTENDED).u32(1)).end();
  writer.begin(Packet.EXTENDED).u32(2).bytes(Extension.SHA256).bytes('/g').end();
  writer.begin(Packet.EXTENDED).u32(3).bytes(Extension.STATVFS).bytes('/').end();
  writer.begin(Packet.EXTENDED).u32(4).bytes(Extension.LIMITS).end();
  return packetsOf(writer.take());
};
