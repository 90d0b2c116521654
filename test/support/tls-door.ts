import type { SecureVersion } from 'node:tls'
import { connect } from 'node:tls'

/** What somebody who knocks shows, and speaks. */
export interface Knock {
  readonly ca?: string
  readonly cert?: string
  readonly key?: string
  /** The highest version of TLS. */
  readonly version?: SecureVersion
}

/** What came of it: the first bytes of HTTP/2, or why there are none. */
export type Answer =
  | { readonly let: 'in'; readonly version: string | null; readonly serial: string }
  | { readonly let: 'out'; readonly why: string }

/** Makes a TLS connection of its own to a gRPC port, and waits whether the server begins to speak HTTP/2. */
export function knock(address: string, { version, ...shown }: Knock): Promise<Answer> {
  const colon = address.lastIndexOf(':')
  return new Promise((resolve) => {
    const socket = connect({
      ...{ host: address.slice(0, colon), port: Number(address.slice(colon + 1)), ALPNProtocols: ['h2'] },
      ...(version && { maxVersion: version, minVersion: 'TLSv1' as const, ciphers: 'ALL@SECLEVEL=0' }),
      ...shown,
    })
    const end = (answer: Answer) => {
      clearTimeout(late)
      socket.destroy()
      resolve(answer)
    }
    const late = setTimeout(() => end({ let: 'out', why: 'silence' }), 5_000)
    // A client begins with its preface; a server with its settings, once it has one.
    socket.on('secureConnect', () => socket.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0'))
    socket.on('data', () => {
      end({ let: 'in', version: socket.getProtocol(), serial: socket.getPeerCertificate().serialNumber })
    })
    socket.on('error', (error) => end({ let: 'out', why: error.message }))
    socket.on('close', () => end({ let: 'out', why: 'it was closed' }))
  })
}
