import { inTurns } from './in-turns.ts'
import type { Bot, Run } from './run.ts'
import { SetupError } from './setup-error.ts'

/**
 * Bots connect before the race: each opens its own connections by reading the sale. Opening a
 * connection is not enough: Node accepts one per turn of its loop, so ten thousand silent ones
 * would be accepted during the race, and the server closes them when they send nothing for 5 s.
 */

const arrivingAtOnceMax = 250

/**
 * Connects all bots.
 * @throws SetupError when a bot cannot connect: a race without it proves nothing.
 */
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
