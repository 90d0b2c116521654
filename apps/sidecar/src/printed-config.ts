import type { Config } from './config.ts'
import { shownUrl } from './shown-url.ts'

/** The settings as JSON, passwords hidden in whatever URL they are. */
export function printedConfig(config: Config): string {
  const shown = { ...config, peers: Object.fromEntries(config.peers) }
  return JSON.stringify(shown, (_, value: unknown) => (isUrl(value) ? shownUrl(value) : value), 2)
}

function isUrl(value: unknown): value is string {
  return typeof value === 'string' && /^[a-z][a-z0-9+.-]*:\/\//i.test(value)
}
