import type { Sale } from './sale-database.ts'
import { purchaseLimit } from './sale-database.ts'
import { until } from './until.ts'

const opensWithinMs = 20_000

/**
 * Waits until every server sells every product: it asks for more than the purchase limit until the
 * transaction that takes stock refuses that. `/readyz` alone does not show that the queue of a sale
 * exists, and this writes nothing.
 */
export async function untilOpen(
  origins: readonly string[],
  { flashSaleId, productIds }: Sale,
  token: string,
): Promise<void> {
  for (const origin of origins) {
    for (const productId of productIds) {
      let said = ''
      const wish = JSON.stringify({ flashSaleId, productId, quantity: purchaseLimit + 1 })
      const opened = async (): Promise<boolean> => {
        said = await ask(origin, token, wish)
        return said.includes('"purchase_limit_reached"')
      }
      await until(opened, opensWithinMs, () => `${origin} sells product ${productId}, says ${said}`)
    }
  }
}

async function ask(origin: string, token: string, wish: string): Promise<string> {
  const response = await fetch(`${origin}/v1/cart/items`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: wish,
  })
  return response.text()
}
