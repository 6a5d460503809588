import fc from 'fast-check'
import type { SaleFixture } from './sale-fixture.ts'
import type { ModelWish } from './shop-model-rows.ts'
import type { ShopModel } from './shop-model.ts'

/** A real shop in SQLite and its model; every command runs on both. */
export interface ComparedShop {
  readonly fixture: SaleFixture
  readonly model: ShopModel
  readonly users: readonly number[]
  /** All requests so far. */
  readonly wishes: ModelWish[]
  readonly newId: () => string
  /** Makes ids for the reservations of late money, numbered as in the model. */
  readonly newLateId: () => string
}

/** The answer of the scripts and the answer of the model. */
export type Answers = readonly [real: unknown, modelled: unknown]

export interface ShopCommand {
  readonly name: string
  readonly apply: (shop: ComparedShop) => Promise<Answers>
}

/** Makes a command. A failure shows `drawn`. */
export function command(name: string, drawn: object, apply: ShopCommand['apply']): ShopCommand {
  return {
    name,
    apply,
    [fc.toStringMethod]: () => `${name} ${JSON.stringify(drawn)}`,
  } as ShopCommand
}

/** Draws a position; `chosen` picks with it among the things that exist by then. */
export const index = fc.oneof(
  { weight: 1, arbitrary: fc.constant(0) },
  { weight: 1, arbitrary: fc.nat({ max: 30 }) },
)
/** Draws a key: mostly a new one, at times one of a few that are used again. */
export const key = fc
  .oneof(
    { weight: 4, arbitrary: fc.nat({ max: 9_999 }) },
    { weight: 1, arbitrary: fc.nat({ max: 2 }) },
  )
  .map((number) => `key-${number}`)

/** Draws undefined five times out of six. */
export const rarely = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.oneof({ weight: 5, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary })

/** Draws whether the owner acts; mostly yes. */
export const isOwner = fc.oneof(
  { weight: 5, arbitrary: fc.constant(true) },
  { weight: 1, arbitrary: fc.constant(false) },
)

/**
 * Picks a thing; undefined when there is none. Positions begin with the newest, where most happens.
 */
export function chosen<T>(things: readonly T[], position: number): T | undefined {
  return things.at(-1 - (position % Math.max(things.length, 1)))
}
