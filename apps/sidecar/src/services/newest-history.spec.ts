import { create } from '@bufbuild/protobuf'
import { GetRegionResponseSchema } from '@perigee/protocol'
import { expect, it } from 'vitest'
import { NewestHistory } from './newest-history.ts'

function region() {
  let tell = () => {}
  const teller = {
    newest: undefined as ReturnType<typeof claim> | undefined,
    onAnswer(listener: () => void) {
      tell = listener
    },
    says(answer: ReturnType<typeof claim>) {
      teller.newest = answer
      tell()
    },
  }
  return teller
}

const claim = (epoch: number, forks: Record<string, bigint>) =>
  create(GetRegionResponseSchema, { claimed: true, history: { epoch: BigInt(epoch), forks } })

it('refuses what another region has told to be lost, and only that', () => {
  const [eu, ap] = [region(), region()]
  const history = new NewestHistory([eu, ap])
  const refused = (epoch: number, seq: number) => history.refusalOf({ epoch, seq })?.details.reason
  expect(refused(1, 100)).toBeUndefined()
  eu.says(claim(2, { 1: 90n }))
  expect(refused(1, 91)).toBe('DATA_UNAVAILABLE')
  expect(refused(1, 90)).toBeUndefined()
  expect(refused(2, 1_000)).toBeUndefined()
  ap.says(claim(1, {}))
  expect(refused(1, 91)).toBe('DATA_UNAVAILABLE')
  eu.says(create(GetRegionResponseSchema, { claimed: false }))
  eu.says(create(GetRegionResponseSchema, { claimed: true, claimedEpoch: 9n }))
  expect(refused(1, 91)).toBe('DATA_UNAVAILABLE')
  ap.says(claim(3, { 1: 95n }))
  expect(refused(1, 91)).toBeUndefined()
  expect(refused(2, 1)).toBe('DATA_UNAVAILABLE')
})
