import { addToCart, type Told } from './add-to-cart.ts'
import type { Client } from './client.ts'
import { usersSchema } from './contract.ts'
import { characterOf, type Persona } from './personas.ts'
import { createRandom } from './random.ts'
import { keyOf, type Bot, type Run } from './run.ts'
import { SetupError } from './setup-error.ts'
import type { StockWatch } from './stock-watch.ts'
import { now, pause } from './time.ts'
import { actAs } from './winner.ts'

const usersPerBatch = 1000
/** Streams of the seed above this are for pauses; below, for characters. */
const pauseStream = 1_000_000
const returnPauseMsMax = 250
/** What the original lets its bots struggle. */
const struggleMs = 30_000
/** Nothing is gained by asking again. */
const finalRefusals = new Set(['purchase_limit_reached', 'product_not_in_sale', 'sale_not_open'])

/** @throws SetupError when the shop does not make the users. */
export async function createBots(
  client: Client,
  adminToken: string,
  { count, seed }: { readonly count: number; readonly seed: number },
): Promise<Bot[]> {
  const bots: Bot[] = []
  while (bots.length < count) {
    const wanted = Math.min(usersPerBatch, count - bots.length)
    const reply = await client.persist({
      step: 'create users',
      method: 'POST',
      path: '/v1/admin/users/batch',
      token: adminToken,
      body: { count: wanted },
    })
    if (reply?.status === 401 || reply?.status === 403) {
      throw new SetupError('the admin token was refused: give the one of that host', reply)
    }
    const made = usersSchema.safeParse(reply?.body)
    if (reply?.status !== 201 || !made.success || made.data.users.length !== wanted) {
      throw new SetupError(`POST /v1/admin/users/batch did not make ${wanted} users`, reply)
    }
    for (const user of made.data.users) {
      const index = bots.length
      bots.push({
        index,
        userId: user.id,
        token: user.token,
        character: characterOf(seed, index),
        random: createRandom(seed, pauseStream + index),
      })
    }
  }
  return bots
}

/**
 * The race, the winners' shopping and the return of the refused. Resolves when every bot is done:
 * it has what it wanted, gave up, or the sale is over.
 */
export async function raceAndReturn(
  run: Run,
  bots: readonly Bot[],
  { watch, onRaceSettled }: { readonly watch: StockWatch; readonly onRaceSettled: () => void },
): Promise<void> {
  const struggleOver = setTimeout(() => {
    watch.callOff()
  }, struggleMs)
  const firstTries = bots.map((bot) =>
    addToCart(run, bot, {
      key: keyOf(run, bot, 'race'),
      quantity: bot.character.quantity,
      phase: 'race',
    }),
  )
  const raceSettled = Promise.all(firstTries).then(onRaceSettled)
  try {
    await Promise.all(
      bots.map(async (bot, index) => {
        const told = await firstTries[index]!
        await live(run, bot, { told, watch, raceSettled })
      }),
    )
  } finally {
    clearTimeout(struggleOver)
  }
}

interface Life {
  readonly told: Told
  readonly watch: StockWatch
  readonly raceSettled: Promise<void>
}

async function live(run: Run, bot: Bot, { told, watch, raceSettled }: Life): Promise<void> {
  switch (told.kind) {
    case 'held':
      return shop(run, bot, { told, persona: bot.character.persona, raceSettled })
    case 'refused':
      if (finalRefusals.has(told.code)) return
      return comeBack(run, bot, { watch, raceSettled })
    case 'unanswered':
  }
}

async function shop(
  run: Run,
  bot: Bot,
  life: {
    readonly told: Extract<Told, { kind: 'held' }>
    readonly persona: Persona
    readonly raceSettled: Promise<void>
  },
): Promise<void> {
  // Nothing comes back while the race is on: two equal clicks then must be told the same.
  if (life.persona === 'releases') await life.raceSettled
  await actAs(life.persona, run, bot, life.told.reservation)
}

/** Tries for one unit whenever API A shows stock again; whoever gets one now pays for it. */
async function comeBack(
  run: Run,
  bot: Bot,
  { watch, raceSettled }: Omit<Life, 'told'>,
): Promise<void> {
  await raceSettled
  const sameKey = bot.character.returnsWith === 'same key' && bot.character.quantity === 1
  for (let attempt = 1; ; attempt += 1) {
    if ((await watch.nextChance(now())) === 'over') return
    await pause(bot.random.integer(returnPauseMsMax))
    const told = await addToCart(run, bot, {
      key: keyOf(run, bot, sameKey ? 'race' : `return-${attempt}`),
      quantity: 1,
      phase: 'return',
    })
    switch (told.kind) {
      case 'held':
        return shop(run, bot, { told, persona: 'pays', raceSettled })
      case 'refused':
        if (finalRefusals.has(told.code)) return
        break
      case 'unanswered':
        return
    }
  }
}
