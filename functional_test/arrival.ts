import { inTurns } from './in-turns.ts'
import type { Bot, Run } from './run.ts'
import { SetupError } from './setup-error.ts'

/**
 * Everybody is there before the sale starts: each bot opens its own connections by looking at the sale.
 * A connection alone is not enough. Node takes one new connection per turn of its loop, so ten thousand
 * who only connect are let in during the race, and are cut off when they say nothing for 5 s.
 */

const arrivingAtOnceMax = 250

/** @throws SetupError when somebody cannot connect: a race without them proves nothing. */
export async function arrive(run: Run, bots: readonly Bot[]): Promise<void> {
  await inTurns(bots, arrivingAtOnceMax, async (bot) => {
    const connections = bot.character.clicks === 'twice' ? 2 : 1
    const looks = Array.from({ length: connections }, () => lookAtSale(run, bot))
    await Promise.all(looks)
  })
}

async function lookAtSale(run: Run, bot: Bot): Promise<void> {
  const reply = await run.shoppers.persist({
    step: 'sale page',
    method: 'GET',
    path: `/v1/flash-sales/${run.flashSaleId}`,
    lane: bot.index,
  })
  if (reply?.status === 200) return
  throw new SetupError(`bot ${bot.index} could not look at the sale before the race`, reply)
}
