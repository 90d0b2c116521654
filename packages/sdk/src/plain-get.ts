import { fromBinary } from '@bufbuild/protobuf'
import { Consistency, ReceiptSchema } from '@perigee/protocol'
import type { BegunCall } from './attempt-plan.ts'
import type { ReadOptions } from './call-options.ts'
import type { QuickGetPlan } from './quick-get.ts'
import type { Seen, Snapshot } from './seen.ts'

/** `ReadOptions` on the wire that say how fresh the answer must be, and nothing else. */
const OPTIONS: Readonly<Record<NonNullable<ReadOptions['consistency']>, Uint8Array>> = {
  eventual: Uint8Array.of(0x08, Consistency.EVENTUAL),
  session: Uint8Array.of(0x08, Consistency.SESSION),
  primary: Uint8Array.of(0x08, Consistency.PRIMARY),
}
/** With a token, so that the options are there for it. */
const NO_OPTIONS = new Uint8Array()
const PLAIN = new Set(['timeoutMs', 'consistency', 'ttlMs'])

/** Whether a Get with these options says no more than how fresh the answer must be, and when it must be there. */
export function isPlain(options: ReadOptions): boolean {
  for (const name in options) {
    if (options[name as keyof ReadOptions] !== undefined && !PLAIN.has(name)) return false
  }
  return options.consistency === undefined || options.consistency in OPTIONS
}

/** A Get that has to go on in the ordinary way. */
export class Interrupted {
  /** What has happened so far; `undefined`: nothing. */
  readonly begun: BegunCall | undefined

  constructor(begun: BegunCall | undefined) {
    this.begun = begun
  }
}

/** A Get of a key's value and nothing else, in a session or not. */
export class PlainGet implements QuickGetPlan {
  readonly namespace: string
  readonly key: string
  readonly timeoutMs: number
  readonly options: Uint8Array | undefined
  /**
   * What it brings: a view of the frame it came in. Whoever awaits it goes on with it, as this class is called in nobody's
   * async context.
   */
  readonly outcome: Promise<Uint8Array | Interrupted | undefined>
  readonly #checked: boolean
  readonly #session: Seen | undefined
  /** What the session had seen when it was sent. */
  readonly sent: Snapshot | undefined
  #resolve: (outcome: Uint8Array | Interrupted | undefined) => void = () => {}
  #reject: (error: unknown) => void = () => {}

  constructor(
    asked: {
      readonly namespace: string
      readonly key: string
      readonly timeoutMs: number
      readonly consistency: ReadOptions['consistency']
    },
    session: Seen | undefined,
  ) {
    const { consistency } = asked
    this.namespace = asked.namespace
    this.key = asked.key
    this.timeoutMs = asked.timeoutMs
    this.#checked = consistency !== 'eventual'
    this.#session = session
    this.sent = session?.now
    this.options = consistency ? OPTIONS[consistency] : this.sent?.bytes && NO_OPTIONS
    this.outcome = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
  }

  get takesReceipt(): boolean {
    return this.#session !== undefined
  }

  get token(): Uint8Array | undefined {
    return this.sent?.bytes
  }

  answered(value: Uint8Array | undefined, receipt: Uint8Array | undefined): void {
    try {
      const token = receipt?.length ? tokenOf(receipt) : undefined
      if (token?.length) this.#session?.include(token, this.sent, this.#checked)
      this.#resolve(value)
    } catch (error) {
      this.#reject(error)
    }
  }

  goOn(begun: BegunCall | undefined): void {
    this.#resolve(new Interrupted(begun))
  }
}

/** All answers of a frame have one receipt. */
let last = { receipt: new Uint8Array(), token: new Uint8Array() }

function tokenOf(receipt: Uint8Array): Uint8Array {
  if (Buffer.compare(last.receipt, receipt) !== 0) {
    const copy = Uint8Array.from(receipt)
    last = { receipt: copy, token: fromBinary(ReceiptSchema, copy).sessionToken as Uint8Array<ArrayBuffer> }
  }
  return last.token
}
