import { createHash, randomBytes } from 'node:crypto';
import { copyFileSync, createReadStream, createWriteStream, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { pipeline } from 'node:stream/promises';
import { Objects, S3Error, type Metadata, type ReceivedPart } from './objects.ts';

export const ACCESS_KEY = 'isocket';

interface Request {
  readonly message: IncomingMessage;
  readonly response: ServerResponse;
  readonly bucket: string;
  /** "" of the bucket itself. */
  readonly key: string;
  /** Of both. */
  readonly name: string;
  readonly query: URLSearchParams;
}

interface Upload {
  readonly metadata: Metadata;
  readonly parts: Map<number, ReceivedPart>;
}

/** The smallest S3 server that rclone takes for one: PUT, GET, HEAD, DELETE, lists, copies, uploads in parts. */
class S3 {
  readonly #objects: Objects;
  readonly #uploads = new Map<string, Upload>();

  constructor(objects: Objects) {
    this.#objects = objects;
  }

  async answer(message: IncomingMessage, response: ServerResponse): Promise<void> {
    if (message.headers.authorization?.includes(`Credential=${ACCESS_KEY}/`) !== true)
      throw new S3Error(403, 'InvalidAccessKeyId');
    const [path = '/', search = ''] = (message.url ?? '/').split('?');
    const name = decodeURIComponent(path.slice(1));
    const [bucket = ''] = name.split('/');
    const key = name.slice(bucket.length + 1);
    const request = { message, response, bucket, key, name, query: new URLSearchParams(search) };
    await this.#handle(request);
    if (!response.writableEnded) response.end();
  }

  async #handle(request: Request): Promise<void> {
    const { message, bucket, key, query } = request;
    switch (message.method) {
      case 'PUT':
        if (key === '') this.#makeBucket(bucket);
        else if (!this.#objects.hasBucket(bucket)) throw new S3Error(404, 'NoSuchBucket');
        else if (query.has('partNumber')) await this.#putPart(request);
        else if (message.headers['x-amz-copy-source'] !== undefined) this.#copy(request);
        else await this.#put(request);
        return;
      case 'POST':
        if (query.has('uploads')) this.#begin(request);
        else await this.#complete(request);
        return;
      case 'DELETE':
        this.#remove(request);
        return;
      default:
        if (!this.#objects.hasBucket(bucket)) throw new S3Error(404, 'NoSuchBucket');
        if (key !== '') await this.#get(request);
        else if (message.method === 'GET') this.#list(request);
    }
  }

  #makeBucket(bucket: string): void {
    if (bucket.startsWith('forbidden')) throw new S3Error(403, 'AccessDenied');
    this.#objects.makeBucket(bucket);
  }

  async #put({ message, response, name }: Request): Promise<void> {
    const { path, md5 } = await this.#objects.receive(message);
    this.#objects.publish(name, path, { ...metadataOf(message), etag: `"${md5}"` });
    response.setHeader('etag', `"${md5}"`);
  }

  #copy({ message, response, name }: Request): void {
    const from = decodeURIComponent(String(message.headers['x-amz-copy-source'])).replace(/^\//, '');
    const found = this.#objects.find(from);
    if (found === undefined) throw new S3Error(404, 'NoSuchKey');
    const path = this.#objects.temporary();
    copyFileSync(this.#objects.path(from), path);
    const { etag = '', ...kept } = this.#objects.headers(from, found);
    const isReplaced = message.headers['x-amz-metadata-directive'] === 'REPLACE';
    this.#objects.publish(name, path, { ...(isReplaced ? metadataOf(message) : kept), etag });
    sendXml(response, `<CopyObjectResult><ETag>${escapeXml(etag)}</ETag></CopyObjectResult>`);
  }

  #begin({ message, response }: Request): void {
    const id = randomBytes(8).toString('hex');
    this.#uploads.set(id, { metadata: metadataOf(message), parts: new Map() });
    sendXml(response, `<InitiateMultipartUploadResult><UploadId>${id}</UploadId></InitiateMultipartUploadResult>`);
  }

  async #putPart({ message, response, query }: Request): Promise<void> {
    const upload = this.#upload(query);
    const part = await this.#objects.receive(message);
    upload.parts.set(Number(query.get('partNumber')), part);
    response.setHeader('etag', `"${part.md5}"`);
  }

  async #complete({ message, response, query, name }: Request): Promise<void> {
    const { metadata, parts } = this.#upload(query);
    message.resume();
    const whole = this.#objects.temporary();
    const sum = createHash('md5');
    for (const [, { path, md5 }] of [...parts].toSorted(([a], [b]) => a - b)) {
      await pipeline(createReadStream(path), createWriteStream(whole, { flags: 'a' }));
      rmSync(path);
      sum.update(md5, 'hex');
    }
    this.#uploads.delete(query.get('uploadId') ?? '');
    const etag = `"${sum.digest('hex')}-${parts.size}"`;
    this.#objects.publish(name, whole, { ...metadata, etag });
    sendXml(response, `<CompleteMultipartUploadResult><ETag>${etag}</ETag></CompleteMultipartUploadResult>`);
  }

  #upload(query: URLSearchParams): Upload {
    const upload = this.#uploads.get(query.get('uploadId') ?? '');
    if (upload === undefined) throw new S3Error(404, 'NoSuchUpload');
    return upload;
  }

  #remove({ response, query, name }: Request): void {
    if (query.has('uploadId')) {
      for (const { path } of this.#upload(query).parts.values()) rmSync(path, { force: true });
      this.#uploads.delete(query.get('uploadId') ?? '');
    } else this.#objects.remove(name);
    response.statusCode = 204;
  }

  async #get({ message, response, name }: Request): Promise<void> {
    const found = this.#objects.find(name);
    if (found === undefined) throw new S3Error(404, 'NoSuchKey');
    for (const [header, value] of Object.entries(this.#objects.headers(name, found))) response.setHeader(header, value);
    if (message.method === 'HEAD') return;
    const [asked, first = '0', last = ''] = /^bytes=(\d+)-(\d*)$/.exec(message.headers.range ?? '') ?? [];
    const start = Number(first);
    const end = last === '' ? found.size - 1 : Math.min(Number(last), found.size - 1);
    response.setHeader('content-length', end - start + 1);
    if (asked !== undefined) {
      response.statusCode = 206;
      response.setHeader('content-range', `bytes ${start}-${end}/${found.size}`);
    }
    if (found.size > 0) await pipeline(createReadStream(this.#objects.path(name), { start, end }), response);
  }

  #list({ response, bucket, query }: Request): void {
    const prefix = query.get('prefix') ?? '';
    const delimiter = query.get('delimiter') ?? '';
    const after = query.get('continuation-token') ?? query.get('marker') ?? query.get('start-after') ?? '';
    const found = new Set<string>();
    for (const key of this.#objects.keys(bucket, prefix)) {
      const cut = delimiter === '' ? -1 : key.indexOf(delimiter, prefix.length);
      const shown = cut === -1 ? key : key.slice(0, cut + 1);
      if (inBytes(shown, after) > 0) found.add(shown);
    }
    const names = [...found].toSorted(inBytes).slice(0, Number(query.get('max-keys') ?? 1000));
    const isUrl = query.get('encoding-type') === 'url';
    const write = (key: string): string => (isUrl ? encodeURIComponent(key).replaceAll('%2F', '/') : escapeXml(key));
    const entries = names.map((key) => {
      if (delimiter !== '' && key.endsWith(delimiter))
        return `<CommonPrefixes><Prefix>${write(key)}</Prefix></CommonPrefixes>`;
      return this.#listed(`${bucket}/${key}`, write(key));
    });
    const last = write(names.at(-1) ?? '');
    const isCut = found.size > names.length;
    const next = isCut ? `<NextMarker>${last}</NextMarker><NextContinuationToken>${last}</NextContinuationToken>` : '';
    const encoding = isUrl ? '<EncodingType>url</EncodingType>' : '';
    sendXml(
      response,
      `<ListBucketResult><IsTruncated>${isCut}</IsTruncated>${next}${encoding}${entries.join('')}</ListBucketResult>`,
    );
  }

  #listed(name: string, key: string): string {
    const found = this.#objects.find(name);
    if (found === undefined) return '';
    const { etag = '' } = this.#objects.headers(name, found);
    const modified = new Date(found.ctimeMs).toISOString();
    return `<Contents><Key>${key}</Key><LastModified>${modified}</LastModified><ETag>${escapeXml(etag)}</ETag><Size>${found.size}</Size></Contents>`;
  }
}

export const createS3Server = (root: string): Server => {
  const objects = new Objects(root);
  const s3 = new S3(objects);
  return createServer({ keepAliveTimeout: 60_000 }, (message, response) => {
    s3.answer(message, response).catch((error: unknown) => {
      const { status, code } = error instanceof S3Error ? error : { status: 500, code: String(error) };
      if (response.headersSent) {
        response.destroy();
        return;
      }
      message.resume();
      response.statusCode = status;
      sendXml(response, `<Error><Code>${escapeXml(code)}</Code><Message>${escapeXml(code)}</Message></Error>`);
    });
  }).on('close', () => objects[Symbol.dispose]());
};

const metadataOf = ({ headers }: IncomingMessage): Metadata =>
  Object.fromEntries(
    Object.entries(headers).flatMap(([name, value]) =>
      (name.startsWith('x-amz-meta-') || name === 'content-type') && typeof value === 'string' ? [[name, value]] : [],
    ),
  );

const inBytes = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b));

const escapeXml = (text: string): string =>
  // eslint-disable-next-line no-control-regex -- XML cannot have most of them, and has the rest by number.
  text.replace(/[&<>"'\u0000-\u001f]/g, (character) => `&#${character.charCodeAt(0)};`);

const sendXml = (response: ServerResponse, body: string): void => {
  response.setHeader('content-type', 'application/xml');
  response.end(`<?xml version="1.0" encoding="UTF-8"?>\n${body}`);
};

// By itself: `node server.ts FOLDER` says its port on stdout, and ends with stdin.
const [, , folder] = process.argv;
if (import.meta.main && folder !== undefined) {
  const server = createS3Server(folder).listen(0, '127.0.0.1', () => {
    process.stdout.write(`${(server.address() as AddressInfo).port}\n`);
  });
  process.stdin.resume().on('end', () => {
    server.close();
    server.closeAllConnections();
  });
}
