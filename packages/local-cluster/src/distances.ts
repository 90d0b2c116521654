import { delayMsMax } from './link.ts'

/** One-way distances in milliseconds: from region, to region. One direction stands for both if the other is missing. */
export type DistanceMatrix = Readonly<Record<string, Readonly<Record<string, number>>>>

export type Distances = 'real' | 'none' | DistanceMatrix

/** Half of the round trips usually measured between these AWS regions. */
const real: DistanceMatrix = {
  'us-east-1': { 'eu-west-1': 35, 'ap-southeast-1': 105 },
  'eu-west-1': { 'ap-southeast-1': 80 },
}

/** The one-way distance between two regions. Throws where none is known. */
export function distanceMs(distances: Distances, from: string, to: string): number {
  if (distances === 'none' || from === to) return 0
  const matrix = distances === 'real' ? real : distances
  const ms = matrix[from]?.[to] ?? matrix[to]?.[from]
  if (ms === undefined) {
    const what = distances === 'real' ? 'no real distance is known' : 'the distances have none'
    throw new Error(`Between ${from} and ${to} ${what}. Give a file of distances in milliseconds, or none.`)
  }
  return ms
}

/** Reads a matrix from JSON text such as `{"us-east-1": {"eu-west-1": 35}}`. */
export function parseDistances(text: string): DistanceMatrix {
  const value: unknown = parseJson(text)
  if (!isRecord(value))
    throw new Error(`Distances are an object of objects, such as {"us-east-1": {"eu-west-1": 35}}.`)
  for (const [from, row] of Object.entries(value)) {
    if (!isRecord(row))
      throw new Error(`The distances from ${from} must be an object, such as {"eu-west-1": 35}.`)
    for (const [to, ms] of Object.entries(row)) {
      if (typeof ms !== 'number' || !(ms >= 0 && ms <= delayMsMax)) {
        throw new Error(
          `The distance from ${from} to ${to} must be a number of milliseconds from 0 to ${delayMsMax}.`,
        )
      }
    }
  }
  return value as DistanceMatrix
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new Error(`The distances aren't JSON: ${(error as Error).message}`)
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
