/** A request's headers, as Node, `fetch` and web frameworks give them. */
export type Headers =
  | { get(name: string): string | null | undefined }
  | Readonly<Record<string, string | readonly string[] | undefined>>

/** Reads headers by lower-case name, whatever their spelling; the first of several values. */
export function headerReader(headers: Headers): (name: string) => string | undefined {
  if (typeof headers.get === 'function') {
    const { get } = headers
    return (name) => get.call(headers, name) ?? undefined
  }
  const byName = new Map<string, string | undefined>()
  for (const [name, value] of Object.entries(headers)) {
    byName.set(name.toLowerCase(), typeof value === 'string' ? value : value?.[0])
  }
  return (name) => byName.get(name)
}
