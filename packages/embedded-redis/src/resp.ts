// The least of Redis's protocol (RESP2) that starting and watching servers needs. It depends on no Redis client, so that
// this package can serve every other.

import { connect } from 'node:net'

/** An error reply is a value here: what it means is the caller's to say. */
export type Reply = string | number | null | Error | readonly Reply[]

/** An ACL user. */
export interface RedisUser {
  readonly name: string
  readonly password: string
}

export interface RedisAddress {
  readonly host: string
  readonly port: number
  /** Whom to log in as. Default: nobody, which is Redis's user `default`. */
  readonly user?: RedisUser
  /** Local address to connect from. */
  readonly localAddress?: string
}

interface Parsed {
  readonly reply: Reply
  readonly next: number
}

function encode(args: readonly string[]): string {
  return `*${args.length}\r\n${args.map((arg) => `$${Buffer.byteLength(arg)}\r\n${arg}\r\n`).join('')}`
}

/** Reads the reply that starts at `from`, or undefined while it isn't complete. */
function parse(data: Buffer, from: number): Parsed | undefined {
  const lineEnd = data.indexOf('\r\n', from)
  if (lineEnd < 0) return undefined
  const line = data.toString('utf8', from + 1, lineEnd)
  const next = lineEnd + 2
  switch (String.fromCharCode(data[from] ?? 0)) {
    case '+':
      return { reply: line, next }
    case '-':
      return { reply: new Error(line), next }
    case ':':
      return { reply: Number(line), next }
    case '$':
      return parseBulk(data, next, Number(line))
    case '*':
      return parseArray(data, next, Number(line))
    default:
      throw new Error(`not a Redis reply: ${JSON.stringify(data.toString('latin1', from, from + 20))}`)
  }
}

function parseBulk(data: Buffer, from: number, length: number): Parsed | undefined {
  if (length < 0) return { reply: null, next: from }
  if (data.length < from + length + 2) return undefined
  return { reply: data.toString('utf8', from, from + length), next: from + length + 2 }
}

function parseArray(data: Buffer, from: number, length: number): Parsed | undefined {
  if (length < 0) return { reply: null, next: from }
  const items: Reply[] = []
  let next = from
  for (let i = 0; i < length; i++) {
    const item = parse(data, next)
    if (item === undefined) return undefined
    items.push(item.reply)
    next = item.next
  }
  return { reply: items, next }
}

/**
 * Sends one command over a connection of its own and gives its reply; that of a login that failed is an error as well.
 * Rejects when there is no connection or no complete reply in time (default 5,000 ms).
 */
export function redisCommand(
  address: RedisAddress,
  args: readonly string[],
  options: { timeoutMs?: number; signal?: AbortSignal } = {},
): Promise<Reply> {
  const { host, port, localAddress, user } = address
  return new Promise((resolve, reject) => {
    const socket = connect({
      host,
      port,
      noDelay: true,
      ...(localAddress === undefined ? {} : { localAddress }),
    })
    let data = Buffer.alloc(0)
    let logsIn = user !== undefined
    const end = () => {
      options.signal?.removeEventListener('abort', onAbort)
      socket.destroy()
    }
    const fail = (error: Error) => {
      end()
      reject(error)
    }
    const onAbort = () => fail(new Error(`${args[0]} to ${host}:${port} was given up`))
    /** Takes the replies that are complete: first the login's, then the command's. */
    const take = () => {
      for (let parsed = parse(data, 0); parsed !== undefined; parsed = parse(data, 0)) {
        data = data.subarray(parsed.next)
        if (!logsIn || parsed.reply instanceof Error) {
          end()
          resolve(parsed.reply)
          return
        }
        logsIn = false
      }
    }
    options.signal?.addEventListener('abort', onAbort)
    socket.setTimeout(options.timeoutMs ?? 5_000, () =>
      fail(new Error(`${host}:${port} didn't answer ${args[0]} in time`)),
    )
    socket.on('error', fail)
    socket.on('end', () =>
      fail(new Error(`${host}:${port} closed the connection before it answered ${args[0]}`)),
    )
    socket.on('data', (chunk) => {
      data = Buffer.concat([data, chunk])
      try {
        take()
      } catch (error) {
        fail(error instanceof Error ? error : new Error(String(error)))
      }
    })
    if (user !== undefined) socket.write(encode(['AUTH', user.name, user.password]))
    socket.write(encode(args))
  })
}

/** Like {@link redisCommand}, but an error reply rejects. */
export async function redisCall(
  address: RedisAddress,
  args: readonly string[],
  options: { timeoutMs?: number; signal?: AbortSignal } = {},
): Promise<Exclude<Reply, Error>> {
  const reply = await redisCommand(address, args, options)
  if (reply instanceof Error)
    throw new Error(`${args[0]} at ${address.host}:${address.port}: ${reply.message}`)
  return reply
}
