import { type ConnectOptions, Perigee, PerigeeError } from '@perigee/sdk'
import type { Context } from './context.ts'
import { Failure } from './failure.ts'
import { HOW_TO_POINT } from './target.ts'

/** Connects to the cluster by the SDK: to the region asked for, or to the nearest one. */
export async function connect(
  context: Context,
  options: Pick<ConnectOptions, 'region'> = {},
): Promise<Perigee> {
  const target = await context.target()
  try {
    return await Perigee.connect({ ...target.connect, ...options, defaultTimeoutMs: context.timeoutMs })
  } catch (error) {
    if (error instanceof PerigeeError) throw Failure.usage(error.message, HOW_TO_POINT)
    throw error
  }
}
