import type { Client } from './client.ts'
import { usersSchema } from './contract.ts'
import { characterOf } from './personas.ts'
import { createRandom } from '../test/support/random.ts'
import type { Bot } from './run.ts'
import { SetupError } from './setup-error.ts'

const usersPerBatch = 1000
/** Random streams above this number are for pauses, those below for characters. */
const pauseStream = 1_000_000

/**
 * Makes the bots with users and tokens of the shop.
 * @throws SetupError when the shop does not make the users.
 */
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
