import type { Logger } from 'pino'
import type { TlsConfig } from './tls-config.ts'
import { TlsFiles } from './tls-files.ts'

/** The certificates of a sidecar: what it shows to callers, to other sidecars, and to its Redis. */
export class SidecarTls {
  /** None: callers come without TLS. */
  readonly server: TlsFiles | undefined
  /** None: other sidecars are called without TLS. */
  readonly peers: TlsFiles | undefined
  readonly redis: TlsFiles

  /** Reads all files. @throws TlsFileError */
  constructor({ server, peers, redis }: TlsConfig, log: Logger) {
    this.server = server && new TlsFiles({ title: 'the server', paths: server, log })
    this.peers = peers && new TlsFiles({ title: 'calls to other sidecars', paths: peers, log })
    this.redis = new TlsFiles({ title: 'Redis', paths: redis, log })
  }

  /** When certificates run out, by what they are for: `server`, to callers and peers, or `redis`. */
  get ends(): readonly (readonly [use: string, at: Date])[] {
    const all = [
      ['server', this.server?.endsAt],
      ['redis', this.redis.endsAt],
    ] as const
    return all.flatMap(([use, at]) => (at ? [[use, at] as const] : []))
  }

  start(): void {
    for (const files of [this.server, this.peers, this.redis]) files?.start()
  }

  stop(): void {
    for (const files of [this.server, this.peers, this.redis]) files?.stop()
  }
}
