import {
  type DestinationStream,
  destination,
  type Logger,
  pino,
  type SerializedError,
  stdSerializers,
} from 'pino'
import type { Config } from './config.ts'

/** Logs JSON lines to stderr; stdout stays empty. @param to elsewhere instead. */
export function createLog(
  { logLevel, region }: Pick<Config, 'logLevel' | 'region'>,
  to: DestinationStream = destination(2),
): Logger {
  const serializers = { err: shownError }
  const timestamp = pino.stdTimeFunctions.isoTime
  return pino({ level: logLevel, base: { region }, timestamp, serializers }, to)
}

/** What kind of error it is, its words and where it came from, and nothing that it carries, such as a Redis command with its arguments. */
function shownError(error: Error): Pick<SerializedError, 'type' | 'message' | 'stack'> & { code?: unknown } {
  const { type, message, stack, code } = stdSerializers.err(error)
  return { type, message, stack, ...(code !== undefined && { code }) }
}
