import { connect, type IncomingHttpHeaders } from 'node:http2'
import { statusName } from '@perigee/core'
import { decodeStatusDetails, STATUS_DETAILS_KEY } from '@perigee/protocol'

/** How a call ended. */
export interface RawAnswer {
  /** HTTP's. */
  readonly http: number | undefined
  /** gRPC's, by name; a reset's where there is none. */
  readonly status: string
  readonly message: string
  readonly reason: string | undefined
  readonly retryDelayMs: number | undefined
  readonly tookMs: number
}

/** A call by HTTP/2 alone: any bytes for a body, any headers. */
export async function rawCall(
  address: string,
  {
    path,
    body,
    headers = {},
  }: { path: string; body: Uint8Array; headers?: Readonly<Record<string, string>> },
): Promise<RawAnswer> {
  const session = connect(`http://${address}`)
  session.on('error', () => {})
  const startedMs = performance.now()
  try {
    const stream = session.request({
      ':method': 'POST',
      ':path': path,
      'content-type': 'application/grpc',
      te: 'trailers',
      ...headers,
    })
    stream.on('error', () => {})
    let http: number | undefined
    let told: IncomingHttpHeaders = {}
    stream.on('response', (head) => {
      http = head[':status']
      told = { ...told, ...head }
    })
    stream.on('trailers', (tail) => {
      told = { ...told, ...tail }
    })
    stream.resume()
    stream.end(body)
    await new Promise((resolve) => stream.on('close', resolve))
    const code = told['grpc-status']
    const bytes = told[STATUS_DETAILS_KEY]
    const details = typeof bytes === 'string' ? decodeStatusDetails(Buffer.from(bytes, 'base64')) : {}
    return {
      http,
      status: code === undefined ? `reset ${stream.rstCode}` : statusName(Number(code)),
      message: decodeURIComponent(String(told['grpc-message'] ?? '')),
      reason: details.reason,
      retryDelayMs: details.retryDelayMs,
      tookMs: performance.now() - startedMs,
    }
  } finally {
    session.destroy()
  }
}
