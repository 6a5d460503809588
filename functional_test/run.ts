import type { Client } from './client.ts'
import type { Crowd } from './crowd.ts'
import type { History, Loss } from './history.ts'
import type { Character } from './personas.ts'
import type { Random } from '../test/support/random.ts'

/** The context of a run that all steps share. */
export interface Run {
  readonly shoppers: Client
  readonly history: History
  readonly crowd: Crowd
  readonly flashSaleId: number
  readonly productId: number
  /** The prefix of every Idempotency-Key of this run. */
  readonly id: string
}

/** One shopper with its own identity. */
export interface Bot {
  readonly index: number
  readonly userId: number
  readonly token: string
  readonly character: Character
  /** The random numbers of its pauses; its behaviour is in its character. */
  readonly random: Random
}

export const keyOf = (run: Run, bot: Bot, what: string): string =>
  `${run.id}-bot${bot.index}-${what}`

export function noteLoss(
  run: Run,
  bot: Bot,
  reservationIds: readonly string[],
  loss: Omit<Loss, 'reservationId'>,
): void {
  run.crowd.move(bot.index, 'gone')
  for (const reservationId of reservationIds) {
    run.history.losses.push({
      reservationId,
      code: loss.code,
      sentAt: loss.sentAt,
      answeredAt: loss.answeredAt,
    })
  }
}

/** JSON with sorted keys, so that equal answers are equal strings. */
export function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, field: unknown) =>
    typeof field === 'object' && field !== null && !Array.isArray(field)
      ? Object.fromEntries(Object.entries(field).sort(([a], [b]) => (a < b ? -1 : 1)))
      : field,
  )
}
