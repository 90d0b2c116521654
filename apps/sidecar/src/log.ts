import { destination, type Logger, pino } from 'pino'
import type { Config } from './config.ts'

/** Logs JSON lines to stderr; stdout stays empty. */
export function createLog({ logLevel, region }: Pick<Config, 'logLevel' | 'region'>): Logger {
  return pino({ level: logLevel, base: { region }, timestamp: pino.stdTimeFunctions.isoTime }, destination(2))
}
