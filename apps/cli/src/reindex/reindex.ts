/*
 * Moves an alias from one model to another: makes a second index, fills it through the user's embedding command, verifies
 * it in every region, and points the alias at both. Clients then change over one by one, and `finish` drops the first.
 *
 * Invariant: the alias points at the second index only once that holds all that the first did shortly before, in every
 * region; and the first is dropped only after everything that was acknowledged in it has been copied.
 *
 * Killed at whatever moment, it leaves two indexes and an alias that are each as they should be, and another process goes on
 * from there: what is left to do is told by comparing them.
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { EmbeddingModel, IndexInput } from '@perigee/sdk'
import type { Context } from '../context.ts'
import { formatMs } from '../duration.ts'
import { Failure } from '../failure.ts'
import { writtenByClients } from './client-writes.ts'
import { Copying, type CopyingOptions, type PassCounts } from './copy-pass.ts'
import { EmbeddingCommand } from './embedding-command.ts'
import { patiently } from './patience.ts'
import { RegionClients } from './region-clients.ts'
import { includes, verifiedChunks } from './region-copy.ts'
import { planOf, type ReindexNames, type ReindexPlan, refused, targetInput } from './reindex-plan.ts'

export interface ReindexOptions extends ReindexNames {
  readonly input?: IndexInput | undefined
  /** The embedding command. */
  readonly embed?: string | undefined
  readonly embedTimeoutMs: number
}

/** What a region's copy of the second index was found to be. */
export interface Verified {
  readonly region: string
  readonly checked: number
}

/** How a reindex ended. */
export interface ReindexSummary {
  readonly namespace: string
  readonly alias: string
  /** What the alias points at now. */
  readonly indexes: readonly string[]
  readonly from: string
  readonly to: string
  readonly model: EmbeddingModel | undefined
  readonly passes: number
  readonly copied: number
  readonly deleted: number
  readonly unchanged: number
  readonly kept: number
  readonly regions: readonly Verified[]
  readonly session: string
}

/** A pass that copied for so short leaves a second index that is level, but for what was written meanwhile. */
const LEVEL_MS = 2_000
const LEVEL_COUNT = 20
const PASSES_MAX = 50
const FOLLOW_EVERY_MS = 1_000

/** A reindex under way. */
export class Reindex implements AsyncDisposable {
  readonly #context: Context
  readonly #options: ReindexOptions
  readonly #regions: RegionClients
  #plan: ReindexPlan
  #copying: Copying | undefined
  #embedding: EmbeddingCommand | undefined
  #aliased: readonly string[]
  #verified: readonly Verified[] = []
  readonly #sum = { passes: 0, copied: 0, deleted: 0, unchanged: 0, kept: 0 }

  private constructor(parts: {
    context: Context
    options: ReindexOptions
    regions: RegionClients
    plan: ReindexPlan
  }) {
    this.#context = parts.context
    this.#options = parts.options
    this.#regions = parts.regions
    this.#plan = parts.plan
    this.#aliased = parts.plan.aliased
  }

  /** Looks at what there is. @throws Failure */
  static async open(context: Context, options: ReindexOptions): Promise<Reindex> {
    const regions = await RegionClients.connect(context)
    try {
      const plan = await planOf(regions.home, options)
      if (plan.source.regionScoped && !(await regions.complete())) {
        throw Failure.usage(
          `${plan.source.name} is region-scoped: each region holds a part of it, and one address does not tell where they are`,
          'give --state FILE, or --domain NAME --regions A,B,C',
        )
      }
      return new Reindex({ context, options, regions, plan })
    } catch (error) {
      await regions[Symbol.asyncDispose]()
      throw error
    }
  }

  /** Makes the second index, or goes on with the one there is, until the alias points at both. */
  async run({ resume }: { readonly resume: boolean }): Promise<ReindexSummary> {
    if (this.#plan.target && !resume) {
      throw refused(
        `index ${this.#plan.targetName} exists already`,
        '--resume goes on with it, --back undoes it, --name chooses another name',
      )
    }
    await this.#makeTarget()
    await this.#level()
    await this.#verify()
    const { alias, source, targetName } = this.#plan
    if (!this.#aliased.includes(targetName)) {
      await this.#point(this.#aliased.length > 0 ? [...this.#aliased, targetName] : [source.name, targetName])
      await this.#pass()
    }
    this.#note(`clients may change over now: ${alias} answers in both models`)
    return this.summary
  }

  /** Goes on copying what clients of the first model write, until the signal. */
  async follow(): Promise<void> {
    const { signal } = this.#context
    this.#note(`following ${this.#plan.source.name}; end it with Ctrl-C`)
    while (!signal.aborted) {
      await this.#pass()
      await delay(FOLLOW_EVERY_MS, undefined, { signal }).catch(() => {})
    }
  }

  /** Copies what is left, points the alias away from the first index, and drops that. */
  async finish(): Promise<ReindexSummary> {
    const { alias, source, target, targetName, namespace } = this.#plan
    if (!target || !this.#aliased.includes(targetName)) {
      throw refused(`alias ${alias} doesn't point at ${targetName} yet`, 'run it without --finish first')
    }
    await this.#level()
    await this.#verify()
    const rest = this.#aliased.filter((name) => name !== source.name)
    if (rest.length < this.#aliased.length) await this.#point(rest)
    // What was written by the alias while it was pointed elsewhere.
    await this.#pass()
    await this.#regions.home.index(source.name, { namespace }).drop(this.#call)
    this.#note(`dropped ${source.name}`)
    return this.summary
  }

  /** Points the alias at the first index alone again, and drops the second. */
  async back({ force }: { readonly force: boolean }): Promise<ReindexSummary> {
    const { alias, source, target, targetName, namespace } = this.#plan
    if (!target)
      throw refused(`there is no index ${targetName}: nothing to undo`, 'name another one by --name')
    if (this.#aliased.includes(targetName)) {
      const own = force ? 0 : await this.#writtenByClients()
      if (own > 0) {
        throw refused(
          `${own} chunks of ${targetName} are not in ${source.name}, or older there: clients of the new model wrote them`,
          `write them to ${source.name} first, or lose them with --force`,
        )
      }
      const rest = this.#aliased.filter((name) => name !== targetName)
      await this.#point(rest.length > 0 ? rest : [source.name])
    }
    await this.#regions.home.index(targetName, { namespace }).drop(this.#call)
    this.#note(`dropped ${targetName}; ${alias} is as it was`)
    return this.summary
  }

  get summary(): ReindexSummary {
    const { namespace, alias, source, target, targetName } = this.#plan
    return {
      ...{ namespace, alias, indexes: this.#aliased, from: source.name, to: targetName },
      model: target?.model,
      ...this.#sum,
      regions: this.#verified,
      session: this.#copying?.token ?? '',
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#embedding?.[Symbol.asyncDispose]()
    await this.#regions[Symbol.asyncDispose]()
  }

  async #makeTarget(): Promise<void> {
    const { namespace, source, targetName, target } = this.#plan
    const { model, input } = this.#options
    if (!model || !input)
      throw Failure.usage('the new model is not named', 'give --model ID@REVISION and --dimensions N')
    const index = this.#regions.home.index(targetName, { namespace, model })
    const made = await index.ensureIndex(targetInput(source, input), this.#call)
    this.#plan = { ...this.#plan, target: made }
    this.#note(
      `${target ? 'going on with' : 'made'} ${targetName} of ${model.id}@${model.revision}, to be filled from ${source.name}`,
    )
  }

  /** Passes until one finds little to do. */
  async #level(): Promise<void> {
    for (let n = 0; n < PASSES_MAX; n++) {
      const { copied, deleted, tookMs } = await this.#pass()
      if (tookMs <= LEVEL_MS || copied + deleted <= LEVEL_COUNT) return
    }
    throw refused(
      `${this.#plan.targetName} isn't level after ${PASSES_MAX} passes: more is written than can be embedded`,
      'write less for a while, or embed faster; --resume goes on',
    )
  }

  async #pass(): Promise<PassCounts> {
    const copying = await this.#copier()
    const shared = this.#aliased.includes(this.#plan.targetName)
    const counts = await patiently(this.#context, () => copying.pass(shared))
    this.#sum.passes += 1
    for (const key of ['copied', 'deleted', 'unchanged', 'kept'] as const) this.#sum[key] += counts[key]
    const { total, copied, deleted, unchanged, kept, tookMs } = counts
    const done = [`${copied} copied`, `${deleted} deleted`]
    if (unchanged > 0) done.push(`${unchanged} there already`)
    if (kept > 0) done.push(`${kept} newer in ${this.#plan.targetName}`)
    const worth = this.#sum.passes === 1 || copied + deleted + unchanged + kept > 0
    if (worth)
      this.#note(`pass ${this.#sum.passes} over ${total} chunks: ${done.join(', ')} (${formatMs(tookMs)})`)
    return counts
  }

  async #copier(): Promise<Copying> {
    const { signal, timeoutMs, output } = this.#context
    const onProgress = ({ done, total }: PassCounts) => output.progress(`${done} of ${total} chunks`)
    const shared: Omit<CopyingOptions, 'clockAheadMs'> = {
      ...{ plan: this.#plan, regions: this.#regions, signal, timeoutMs, onProgress },
      embedding: () => this.#embedder(),
    }
    this.#copying ??= new Copying({ ...shared, clockAheadMs: await this.#clockAheadMs() })
    return this.#copying
  }

  #embedder(): EmbeddingCommand {
    const { embed, embedTimeoutMs } = this.#options
    const { target, source } = this.#plan
    if (embed === undefined) {
      throw refused(
        `${source.name} holds chunks that were written since`,
        'give --embed COMMAND to copy them',
      )
    }
    this.#embedding ??= new EmbeddingCommand({
      ...{ command: embed, dimensions: target?.dimensions ?? 0, timeoutMs: embedTimeoutMs },
      onStderr: (text) => this.#context.io.err.write(text),
    })
    return this.#embedding
  }

  /** Expiries are absolute, by the primary's clock; a copy's is set by a duration from now. */
  async #clockAheadMs(): Promise<number> {
    const askedMs = Date.now()
    const { observedAt } = await this.#regions.home.cluster.status(this.#call)
    return observedAt ? observedAt.getTime() - (askedMs + Date.now()) / 2 : 0
  }

  /** Holds every region's copy of the second index against its chunks. */
  async #verify(): Promise<void> {
    const { output, signal } = this.#context
    const { namespace, targetName } = this.#plan
    const token = this.#copying?.token ?? ''
    const verified: Verified[] = []
    for (const [region, client] of await this.#regions.each()) {
      output.progress(`${region}: verifying`)
      const checked = await patiently(this.#context, async () => {
        await includes(client, { namespace, name: targetName, token }, signal)
        return verifiedChunks(this.#regions.home, { region, namespace, index: targetName, signal })
      })
      verified.push({ region, checked })
      this.#note(`${region}: ${checked} chunks verified`)
      signal.throwIfAborted()
    }
    this.#verified = verified
    if (await this.#regions.complete()) return
    output.warn(
      'the other regions are not verified: an address does not tell where they are; `perigee verify` there, or --state or --domain, does',
    )
  }

  /** Points the alias, and waits until every region has switched. */
  async #point(indexes: readonly string[]): Promise<void> {
    const { namespace, alias } = this.#plan
    const session = this.#regions.home.session()
    await session.aliases.put(alias, indexes, { namespace, ...this.#call })
    this.#aliased = indexes
    const switched = { namespace, name: alias, token: session.token }
    for (const [, client] of await this.#regions.each())
      await patiently(this.#context, () => includes(client, switched, this.#context.signal))
    this.#note(`${alias} points at ${indexes.join(', ')}`)
  }

  #writtenByClients(): Promise<number> {
    const { timeoutMs, signal, output } = this.#context
    const onProgress = (compared: number) => output.progress(`${compared} chunks compared`)
    return writtenByClients({ plan: this.#plan, regions: this.#regions, timeoutMs, signal, onProgress })
  }

  #note(text: string): void {
    this.#context.output.note(text)
  }

  get #call() {
    const { timeoutMs, signal } = this.#context
    return { timeoutMs, signal }
  }
}
