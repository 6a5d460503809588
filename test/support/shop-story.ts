import fc from 'fast-check'
import {
  authorised,
  begin,
  cameLate,
  declined,
  givenUp,
  moved,
  voided,
} from './shop-commands-money.ts'
import type { ShopCommand } from './shop-command.ts'
import {
  cancelSale,
  checkout,
  expire,
  pauseOrResume,
  reserve,
  shopCommand,
  sweepCancelled,
  wait,
} from './shop-commands.ts'

/** Sequences that rarely happen by chance; their commands act mostly on the newest things. */
const scenes: readonly fc.Arbitrary<readonly ShopCommand[]>[] = [
  fc.tuple(reserve, checkout, begin),
  fc.tuple(reserve, checkout, begin, declined, begin, cameLate),
  fc.tuple(reserve, checkout, begin, voided, begin, cameLate, authorised, declined),
  fc.tuple(reserve, checkout, begin, voided, wait, expire, cameLate),
  fc.tuple(begin, givenUp, moved, authorised),
  fc.tuple(reserve, checkout, begin, wait, expire, authorised),
  fc.tuple(reserve, wait, expire, pauseOrResume, reserve),
]
/** The sequences with which most stories end. */
const cancellation = fc.oneof(
  fc.tuple(reserve, checkout, begin, reserve, cancelSale, sweepCancelled),
  fc.tuple(reserve, reserve, reserve, checkout, cancelSale, sweepCancelled, begin),
  fc.tuple(reserve, reserve, checkout, begin, voided, cancelSale, sweepCancelled, begin, cameLate),
)

const alone: fc.Arbitrary<readonly ShopCommand[]> = shopCommand.map((command) => [command])
const next = fc.oneof(
  { weight: 50, arbitrary: alone },
  { weight: 10, arbitrary: fc.oneof(...scenes) },
  { weight: 2, arbitrary: cancellation },
)

/** Draws some dozens of commands for one shop. */
export const shopStory = fc
  .array(next, { minLength: 1, maxLength: 50, size: 'max' })
  .map((parts) => parts.flat())
