/** A duration as people read it: three digits at most, then the unit. */
export function ms(value: number): string {
  if (value >= 10_000) return `${(value / 1_000).toFixed(1)} s`
  if (value >= 100) return `${value.toFixed(0)} ms`
  return `${value.toFixed(value >= 10 ? 1 : 2)} ms`
}

export function seconds(valueMs: number): string {
  return `${(valueMs / 1_000).toFixed(1)} s`
}

export function count(value: number): string {
  return value.toLocaleString('en-US')
}

/** One line of at most `width` characters. */
export function oneLine(text: string, width: number): string {
  const line = text.replaceAll(/\s+/g, ' ').trim()
  if (line.length <= width) return line
  const cut = line.slice(0, width - 1)
  const space = cut.lastIndexOf(' ')
  return `${space > width / 2 ? cut.slice(0, space) : cut}…`
}
