import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import {
  type Credentials,
  dataRedisUsers,
  indexRedisUsers,
  readOrMakeCredentials,
  sentinelUsers,
} from '@perigee/local-cluster'
import { Argument, Command, Option } from 'commander'
import type { Act, Context } from '../context.ts'
import { Failure } from '../failure.ts'

const SERVERS = ['data', 'index', 'sentinel'] as const
type Server = (typeof SERVERS)[number]

interface AclOptions {
  readonly credentials: string
  readonly prefix: string
  readonly gate: boolean
}

/** `perigee acl`: prints the ACL file of a Redis or Sentinel that sidecars use. */
export function aclCommand(act: Act): Command {
  return new Command('acl')
    .description('Prints the ACL file of a Redis: users with the exact commands and keys that they need.')
    .addArgument(new Argument('<server>', 'the Redis that it is for').choices(SERVERS))
    .option(
      '--credentials <file>',
      'the passwords; made, random, if there is none',
      'perigee-credentials.json',
    )
    .addOption(new Option('--prefix <prefix>', 'what all keys begin with, as PERIGEE_PREFIX').default('pg'))
    .option('--no-gate', 'let replicas log in from the start, where no PERIGEE_GATE_USER is set')
    .addHelpText(
      'after',
      `
  perigee acl data >data-users.acl            then, in redis.conf:  aclfile /etc/redis/data-users.acl
  perigee acl index >index-users.acl
  perigee acl sentinel >sentinel-users.acl

The printed lines hold SHA-256 hashes; the passwords themselves are in the credentials file, which only you can read.
Sidecars log in as \`sidecar\` (PERIGEE_DATA_REDIS), \`control\` (PERIGEE_CONTROL_REDIS and PERIGEE_SENTINELS) and \`index\`
(PERIGEE_INDEX_REDIS), replicas as \`replica\` (masteruser, masterauth), Sentinels as \`sentinel\`, you as \`admin\`.`,
    )
    .action(act(acl))
}

async function acl({ output }: Context, server: Server, options: AclOptions): Promise<void> {
  const { prefix } = options
  if (!/^[A-Za-z0-9_-]{1,32}$/.test(prefix)) {
    throw Failure.usage(`${JSON.stringify(prefix)} is no prefix`, 'it has 1 to 32 of A-Z, a-z, 0-9, _ and -')
  }
  const file = resolve(options.credentials)
  const isNew = !existsSync(file)
  const text = textOf(server, credentialsIn(file), options)
  if (isNew)
    output.note(`made ${file}: it holds the passwords; keep it safe, and give it to every command again`)
  if (output.json) output.printJson({ server, credentials: file, lines: text.trimEnd().split('\n') })
  else output.printBytes(Buffer.from(text))
}

function credentialsIn(file: string): Credentials {
  try {
    return readOrMakeCredentials(file)
  } catch (error) {
    throw Failure.usage((error as Error).message, '--credentials names the file to keep the passwords in')
  }
}

function textOf(server: Server, credentials: Credentials, { prefix, gate }: AclOptions): string {
  if (server === 'data') return dataRedisUsers({ credentials, prefix, replicasMayFollow: !gate })
  if (server === 'index') return indexRedisUsers({ credentials, prefix })
  return sentinelUsers(credentials)
}
