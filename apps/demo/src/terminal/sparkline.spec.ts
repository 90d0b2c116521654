import { expect, it } from 'vitest'
import { sparkline } from './sparkline.ts'

it('draws nothing and everything as only those look', () => {
  expect(sparkline([0, 0.001, 0.5, 0.999, 1])).toBe('·▁▄▇█')
})
