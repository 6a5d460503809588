import { cartSchema, type Reservation } from './contract.ts'
import type { Bot, Run } from './run.ts'

/**
 * Looks into the bot's cart and writes down what is there.
 * @returns null when the shop would not show it.
 */
export async function lookIntoCart(run: Run, bot: Bot): Promise<readonly Reservation[] | null> {
  const reply = await run.shoppers.persist({
    step: 'cart',
    method: 'GET',
    path: '/v1/cart',
    token: bot.token,
    lane: bot.index,
  })
  const cart = cartSchema.safeParse(reply?.body)
  if (reply === null || !cart.success) return null
  const held = cart.data.items.filter((item) => item.status === 'held')
  run.history.carts.push({
    bot: bot.index,
    sentAt: reply.sentAt,
    answeredAt: reply.answeredAt,
    items: held.map(({ id, quantity }) => ({ reservationId: id, quantity })),
  })
  return held
}

/** Reads the cart as a shopper does. A cart that cannot be read counts as a missing answer. */
export async function checkCart(run: Run, bot: Bot): Promise<void> {
  if ((await lookIntoCart(run, bot)) !== null) return
  run.history.unanswered.push({ bot: bot.index, step: 'cart', why: 'no cart was shown' })
}
