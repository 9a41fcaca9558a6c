import { runServers } from './servers.ts';

runServers(1);
