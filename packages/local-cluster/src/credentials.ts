import { randomBytes } from 'node:crypto'
import { chmodSync, readFileSync, writeFileSync } from 'node:fs'
import type { RedisUser } from '@perigee/embedded-redis'

/**
 * The users of a cluster's Redis and Sentinels; redis-users.ts says what each may do.
 *
 * `admin` is for operators and tests. Sidecars are `sidecar` where they serve requests, `control` where they claim and give
 * a data Redis its role, and at Sentinels, `index` at their index Redis. `replica` is for the data Redis of one region at that
 * of another, `sentinel` for Sentinels.
 */
export const userNames = ['admin', 'sidecar', 'control', 'index', 'replica', 'sentinel'] as const
export type UserName = (typeof userNames)[number]

/** Passwords by user, as the credentials file holds them. The same in all regions: any of them may become the primary. */
export type Credentials = Readonly<Record<UserName, string>>

const passwordBytes = 24

/** Takes the passwords of a file that is there, else makes a file with random ones. Only this user may read it. */
export function readOrMakeCredentials(path: string): Credentials {
  const known = readKnown(path)
  const credentials = Object.fromEntries(
    userNames.map((name) => [name, known[name] ?? randomBytes(passwordBytes).toString('hex')]),
  ) as Record<UserName, string>
  writeFileSync(path, `${JSON.stringify(credentials, null, 2)}\n`, { mode: 0o600 })
  chmodSync(path, 0o600)
  return credentials
}

function readKnown(path: string): Partial<Credentials> {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return {}
    throw error
  }
  const known = objectIn(text)
  if (known !== undefined && userNames.every((name) => isPassword(known[name]))) return known
  throw new Error(`${path} isn't a credentials file. Remove it; another is made.`)
}

function objectIn(text: string): Partial<Credentials> | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? value : undefined
  } catch {
    return undefined
  }
}

/** Or none yet. Passwords stand in URLs and in Redis's files: there is nothing in them that needs quoting anywhere. */
function isPassword(value: unknown): boolean {
  return value === undefined || (typeof value === 'string' && /^[\w-]{8,}$/.test(value))
}

export function userOf(credentials: Credentials, name: UserName): RedisUser {
  return { name, password: credentials[name] }
}

/** `redis://user:password@host:port` */
export function loginUrl({ name, password }: RedisUser, address: string): string {
  return `redis://${name}:${password}@${address}`
}
