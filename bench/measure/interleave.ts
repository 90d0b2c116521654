import type { Sample } from './sample.ts'

/** One of the things compared. */
export interface Side {
  readonly name: string
  /** Works for one turn. Rounds count from 0. */
  turn(round: number): Promise<Sample>
}

/** Samples of each side, by round. */
export type Samples = Readonly<Record<string, readonly Sample[]>>

/** In which order the sides have their turns in a round: every other round the other way about. */
function orderIn<T>(round: number, sides: readonly T[]): readonly T[] {
  return round % 2 === 0 ? sides : sides.toReversed()
}

/**
 * Lets the sides take turns, round by round, so that whatever else the machine does meets all of them alike.
 *
 * @throws what a turn throws: a side that fails makes no figure.
 */
export async function interleave(
  sides: readonly Side[],
  rounds: number,
  onTurn: (side: string, round: number) => void = () => {},
): Promise<Samples> {
  const samples = Object.fromEntries(sides.map(({ name }) => [name, [] as Sample[]]))
  for (let round = 0; round < rounds; round++) {
    for (const side of orderIn(round, sides)) {
      onTurn(side.name, round)
      samples[side.name]?.push(await side.turn(round))
    }
  }
  return samples
}
