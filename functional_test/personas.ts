import { createRandom } from '../test/support/random.ts'

/** The behaviours of a bot that holds a unit, with their shares in percent. */
const personaWeights = {
  pays: 40,
  'declined-first': 12,
  'slow-payer': 8,
  'abandons-cart': 12,
  'abandons-invoice': 10,
  releases: 10,
  'pays-twice': 8,
} as const
export type Persona = keyof typeof personaWeights
export const personas = Object.keys(personaWeights) as Persona[]

/** `twice`: the same key twice at once. `again`: the same key once more after the answer. */
export type Clicks = 'once' | 'twice' | 'again'

/** Everything about a bot that its seed decides. */
export interface Character {
  readonly persona: Persona
  readonly clicks: Clicks
  readonly quantity: number
  /** The key of a refused bot that comes back: the refused one or a fresh one. */
  readonly returnsWith: 'same key' | 'fresh key'
  /** A refused bot tries again when API A shows stock, or after some time in any case. */
  readonly comesBack: 'when stock does' | 'again and again'
}

/** The same seed and bot always give the same character. */
export function characterOf(seed: number, bot: number): Character {
  const random = createRandom(seed, bot)
  return {
    persona: weighted(random()),
    clicks: pick(random(), [
      ['twice', 0.2],
      ['again', 0.1],
      ['once', 0.7],
    ]),
    quantity: pick(random(), [
      [1, 0.85],
      [2, 0.1],
      [3, 0.05],
    ]),
    returnsWith: random() < 0.5 ? 'same key' : 'fresh key',
    comesBack: random() < 0.7 ? 'when stock does' : 'again and again',
  }
}

function weighted(drawn: number): Persona {
  const total = personas.reduce((sum, persona) => sum + personaWeights[persona], 0)
  return pick(
    drawn,
    personas.map((persona) => [persona, personaWeights[persona] / total]),
  )
}

function pick<T>(drawn: number, shares: readonly (readonly [T, number])[]): T {
  let upTo = 0
  for (const [value, share] of shares) {
    upTo += share
    if (drawn < upTo) return value
  }
  return shares.at(-1)![0]
}
