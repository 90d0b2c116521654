import { bytes, Perigee } from '@perigee/sdk'
import type { OpenSide } from '../driver/side.ts'
import { expectValue, keyOf, NAMESPACE } from '../input/value.ts'
import { looped } from './looped.ts'

/** Get by the SDK, eventual reads. */
export const openSdkGet: OpenSide = async ({ sdk }) => {
  const perigee = await Perigee.connect(sdk)
  const cache = perigee.cache(NAMESPACE, { codec: bytes })
  return looped(
    async (n) => expectValue(await cache.get(keyOf(n)), n),
    () => perigee.close(),
  )
}

/** Get by the SDK in a session that has written. */
export const openSdkSessionGet: OpenSide = async ({ sdk }) => {
  const perigee = await Perigee.connect(sdk)
  const session = perigee.session()
  await session.cache(`${NAMESPACE}-session`, { codec: bytes }).set('seen', Buffer.from('1'))
  if (session.token === '') throw new Error('the session has no token after a write')
  const cache = session.cache(NAMESPACE, { codec: bytes })
  return looped(
    async (n) => expectValue(await cache.get(keyOf(n)), n),
    () => perigee.close(),
  )
}
