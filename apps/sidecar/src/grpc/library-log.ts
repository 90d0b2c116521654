import { setLogger } from '@grpc/grpc-js'
import type { Logger } from 'pino'

/** What grpc-js says of a header with a character that may not be in one: the whole of it, whatever secret that holds. */
const TELLS_HEADER = /^Failed to add metadata entry/

/** Has grpc-js tell its errors to our log. Left to itself it writes to stderr, and tells what callers sent. */
export function logOfLibrary(log: Logger): void {
  setLogger({
    error: (...words: unknown[]) => {
      const text = words.join(' ')
      if (!TELLS_HEADER.test(text)) log.warn({ library: 'grpc-js' }, text)
    },
    info: () => {},
    debug: () => {},
  })
}
