import { type ConnectOptions, Perigee, PerigeeError } from '@perigee/sdk'
import type { Context } from './context.ts'
import { Failure } from './failure.ts'
import { HOW_TO_POINT } from './target.ts'

const HOW_TO_SPEAK_TLS =
  'give PEM files: --ca FILE, and --cert FILE --key FILE where sidecars demand a certificate'

/** Connects to the cluster by the SDK: to the region asked for, or to the nearest one. */
export async function connect(
  context: Context,
  options: Pick<ConnectOptions, 'region'> = {},
): Promise<Perigee> {
  const target = await context.target()
  try {
    return await Perigee.connect({ ...target.connect, ...options, defaultTimeoutMs: context.timeoutMs })
  } catch (error) {
    if (error instanceof PerigeeError) {
      const aboutTls = error.fields.some(({ field }) => field.startsWith('tls.'))
      throw Failure.usage(error.message, aboutTls ? HOW_TO_SPEAK_TLS : HOW_TO_POINT)
    }
    throw error
  }
}
