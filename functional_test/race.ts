import { drawInteger } from '../test/support/random.ts'
import { addToCart, type Told } from './add-to-cart.ts'
import { checkCart } from './cart-look.ts'
import type { Persona } from './personas.ts'
import { keyOf, type Bot, type Run } from './run.ts'
import type { StockWatch } from './stock-watch.ts'
import { now, pause } from './time.ts'
import { shopAsWinner } from './winner.ts'

/** The race, the winners' shopping and the return of the refused. */

/** The bots of the original program try for this long. */
export const struggleMs = 30_000
/** A bot that gets a unit before this may abandon it: it comes back while others still want it. */
const capriciousMs = 25_000
const returnPauseMsMax = 250
const impatientPauseMsMin = 2_000
const impatientPauseMsMax = 6_000
/** The refused look into their carts within this time after the race, not all in one moment. */
const lookSpreadMs = 3_000
/** After these refusals asking again is useless. */
const finalRefusals = new Set(['purchase_limit_reached', 'product_not_in_sale', 'sale_not_open'])

export interface RaceOptions {
  readonly watch: StockWatch
  readonly onRaceSettled: () => void
  /** The refused bots come back for this long; half a minute unless given. */
  readonly returnForMs?: number
}

interface Struggle {
  readonly watch: StockWatch
  readonly raceSettled: Promise<void>
  readonly startedAt: number
}

/**
 * Resolves when every bot is done: it has what it wanted, gave up, or the sale is over. Connections
 * are there already.
 */
export async function raceAndReturn(
  run: Run,
  bots: readonly Bot[],
  { watch, onRaceSettled, returnForMs = struggleMs }: RaceOptions,
): Promise<void> {
  const struggleOver = setTimeout(() => {
    watch.callOff()
  }, returnForMs)
  let settle: () => void = () => undefined
  const raceSettled = new Promise<void>((resolve) => {
    settle = resolve
  })
  const struggle: Struggle = { watch, raceSettled, startedAt: now() }
  try {
    const firstTries = start(run, bots)
    const shopping = bots.map(async (bot, index) =>
      shopUntilDone(run, bot, await firstTries[index]!, struggle),
    )
    await Promise.all(firstTries)
    onRaceSettled()
    settle()
    await Promise.all(shopping)
  } finally {
    clearTimeout(struggleOver)
  }
}

/**
 * Sends all first clicks in one go. No answer is read before the last click is sent; otherwise ten
 * thousand would not be sent in a second beside busy servers.
 */
function start(run: Run, bots: readonly Bot[]): Promise<Told>[] {
  return bots.map((bot) => {
    const { quantity } = bot.character
    return addToCart(run, bot, { key: keyOf(run, bot, 'race'), quantity, phase: 'race' })
  })
}

async function shopUntilDone(run: Run, bot: Bot, told: Told, struggle: Struggle): Promise<void> {
  switch (told.kind) {
    case 'held':
      return shop(run, bot, { told, persona: bot.character.persona, struggle })
    case 'refused':
      await struggle.raceSettled
      await pause(drawInteger(bot.random, lookSpreadMs))
      await checkCart(run, bot)
      if (!finalRefusals.has(told.code)) await comeBack(run, bot, struggle)
      return
    case 'unanswered':
  }
}

interface Purchase {
  readonly told: Extract<Told, { kind: 'held' }>
  readonly persona: Persona
  readonly struggle: Struggle
}

async function shop(run: Run, bot: Bot, { told, persona, struggle }: Purchase): Promise<void> {
  await checkCart(run, bot)
  // No units come back during the race, so that two equal clicks must get the same answer.
  if (persona === 'releases') await struggle.raceSettled
  await shopAsWinner(persona, run, bot, told.reservation)
}

/**
 * Tries for one unit again, when there is stock or after some time, as the bot's character says.
 */
async function comeBack(run: Run, bot: Bot, struggle: Struggle): Promise<void> {
  const sameKey = bot.character.returnsWith === 'same key' && bot.character.quantity === 1
  for (let attempt = 1; ; attempt += 1) {
    if ((await nextTime(bot, struggle.watch)) === 'over') return
    const told = await addToCart(run, bot, {
      key: keyOf(run, bot, sameKey ? 'race' : `return-${attempt}`),
      quantity: 1,
      phase: 'return',
    })
    switch (told.kind) {
      case 'held': {
        const capricious = now() - struggle.startedAt < capriciousMs
        return shop(run, bot, {
          told,
          persona: capricious ? bot.character.persona : 'pays',
          struggle,
        })
      }
      case 'refused':
        if (finalRefusals.has(told.code)) return
        break
      case 'unanswered':
        return
    }
  }
}

async function nextTime(bot: Bot, watch: StockWatch): Promise<'try' | 'over'> {
  switch (bot.character.comesBack) {
    case 'when stock does': {
      const chance = await watch.nextChance(now())
      await pause(drawInteger(bot.random, returnPauseMsMax))
      return chance === 'over' ? 'over' : 'try'
    }
    case 'again and again': {
      const spread = impatientPauseMsMax - impatientPauseMsMin
      await pause(impatientPauseMsMin + drawInteger(bot.random, spread))
      return watch.isOver() ? 'over' : 'try'
    }
  }
}
