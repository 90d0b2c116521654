import { z } from 'zod'

/** A setting that is a whole number in a range, given as text. */
export const whole = (least: number, most: number, preset: number) =>
  z
    .string()
    .regex(/^\d+$/, 'must be a whole number')
    .transform(Number)
    .pipe(z.number().min(least, `must be at least ${least}`).max(most, `must be at most ${most}`))
    .default(preset)
