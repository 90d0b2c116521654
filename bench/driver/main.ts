// The process of one side: opens what it is told, and plays a turn whenever it is asked. Ends with its parent.

import { type Input, loadInput } from '../input/input.ts'
import { openers } from '../sides/all.ts'
import type { Asked, Told } from './messages.ts'
import type { SideWork } from './side.ts'

let work: SideWork | undefined
let stop = new AbortController()

process.on('disconnect', () => process.exit())
process.on('message', (asked: Asked) => {
  answer(asked).catch((error: unknown) => {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error)
    tell({ kind: 'failed', error: text })
  })
})

async function answer(asked: Asked): Promise<void> {
  if (asked.kind === 'open') {
    const opener = openers[asked.side]
    if (!opener) throw new Error(`there is no side ${asked.side}`)
    let input: Promise<Input> | undefined
    work = await opener(asked.place, () => {
      input ??= loadInput(asked.place.input)
      return input
    })
    tell({ kind: 'open' })
  } else if (asked.kind === 'turn') {
    if (!work) throw new Error('nothing is open')
    stop = new AbortController()
    tell({ kind: 'turned', sample: await work.turn(asked.turn, stop.signal) })
  } else if (asked.kind === 'stop') {
    stop.abort()
  } else {
    await work?.close()
    process.disconnect()
  }
}

function tell(told: Told): void {
  process.send?.(told)
}
