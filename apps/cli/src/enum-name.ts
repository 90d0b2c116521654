/** The name of a value of one of the contract's enums, in lower case: `primary`. A value of a newer one: `unknown`. */
export function enumName(names: Readonly<Record<string, number>>, value: number): string {
  const [name] = Object.entries(names).find(([, number]) => number === value) ?? ['unknown']
  return name.toLowerCase()
}
