import fc from 'fast-check'
import type { SaleFixture } from './sale-fixture.ts'
import type { ModelWish } from './shop-model-rows.ts'
import type { ShopModel } from './shop-model.ts'

/** A real shop in SQLite and the model of it, to which the same things happen. */
export interface ComparedShop {
  readonly fixture: SaleFixture
  readonly model: ShopModel
  readonly flashSaleId: number
  readonly users: readonly number[]
  /** Every request made so far. */
  readonly wishes: ModelWish[]
  readonly newId: () => string
  /** For the reservations of late money, numbered as in the model. */
  readonly newLateId: () => string
}

/** What the scripts answered, and what the model did. */
export type Answers = readonly [real: unknown, modelled: unknown]

export interface ShopCommand {
  readonly name: string
  readonly apply: (shop: ComparedShop) => Promise<Answers>
}

/** `drawn` is what a failure shows of it. */
export function command(name: string, drawn: object, apply: ShopCommand['apply']): ShopCommand {
  return {
    name,
    apply,
    [fc.toStringMethod]: () => `${name} ${JSON.stringify(drawn)}`,
  } as ShopCommand
}

/** Chooses among what there is by then. */
export const index = fc.oneof(
  { weight: 1, arbitrary: fc.constant(0) },
  { weight: 1, arbitrary: fc.nat({ max: 30 }) },
)
/** New most of the time, and now and then one of a few that are used again. */
export const key = fc
  .oneof(
    { weight: 4, arbitrary: fc.nat({ max: 9_999 }) },
    { weight: 1, arbitrary: fc.nat({ max: 2 }) },
  )
  .map((number) => `key-${number}`)

/** Undefined five times out of six. */
export const rarely = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.oneof({ weight: 5, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary })

/** Whose it is, most of the time. */
export const isOwner = fc.oneof(
  { weight: 5, arbitrary: fc.constant(true) },
  { weight: 1, arbitrary: fc.constant(false) },
)

/** Undefined when there is nothing to choose from. The newest come first: most is going on with them. */
export function chosen<T>(things: readonly T[], position: number): T | undefined {
  return things.at(-1 - (position % Math.max(things.length, 1)))
}
