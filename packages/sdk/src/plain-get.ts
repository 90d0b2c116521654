import { fromBinary } from '@bufbuild/protobuf'
import { Consistency, type GetResponse, ReceiptSchema } from '@perigee/protocol'
import type { BegunCall } from './attempts.ts'
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
const PLAIN = new Set(['timeoutMs', 'consistency'])

/** Whether a Get with these options says no more than how fresh the answer must be, and when it must be there. */
export function isPlain(options: ReadOptions): boolean {
  for (const name in options) {
    if (options[name as keyof ReadOptions] !== undefined && !PLAIN.has(name)) return false
  }
  return options.consistency === undefined || options.consistency in OPTIONS
}

/** A Get of a key's value and nothing else, in a session or not. */
export class PlainGet implements QuickGetPlan {
  readonly namespace: string
  readonly key: string
  readonly timeoutMs: number
  readonly options: Uint8Array | undefined
  /** What it brings; pinned by the frame it came in. */
  readonly value: Promise<Uint8Array | undefined>
  readonly #checked: boolean
  readonly #session: Seen | undefined
  readonly #sent: Snapshot | undefined
  readonly #goOn: (begun: BegunCall | undefined) => Promise<GetResponse>
  #resolve: (value: Uint8Array | undefined) => void = () => {}
  #reject: (error: unknown) => void = () => {}

  /** @param goOn makes the call in the ordinary way. */
  constructor(
    asked: {
      readonly namespace: string
      readonly key: string
      readonly timeoutMs: number
      readonly consistency: ReadOptions['consistency']
    },
    session: Seen | undefined,
    sent: Snapshot | undefined,
    goOn: (begun: BegunCall | undefined) => Promise<GetResponse>,
  ) {
    const { consistency } = asked
    this.namespace = asked.namespace
    this.key = asked.key
    this.timeoutMs = asked.timeoutMs
    this.#checked = consistency !== 'eventual'
    this.#session = session
    this.#sent = sent
    this.#goOn = goOn
    this.options = consistency ? OPTIONS[consistency] : sent?.bytes && NO_OPTIONS
    this.value = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
  }

  get token(): Uint8Array | undefined {
    return this.#sent?.bytes
  }

  answered(value: Uint8Array | undefined, receipt: Uint8Array | undefined): void {
    try {
      const token = this.#session && receipt && tokenOf(receipt)
      if (token?.length) this.#session?.include(token, this.#sent, this.#checked)
      this.#resolve(value)
    } catch (error) {
      this.#reject(error)
    }
  }

  goOn(begun: BegunCall | undefined): void {
    this.#goOn(begun).then(({ entry }) => this.#resolve(entry?.value), this.#reject)
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
