import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { ComparedShop, ShopCommand } from '../../test/support/shop-command.ts'
import { openSaleFixture } from '../../test/support/sale-fixture.ts'
import { testSeed } from '../../test/support/seed.ts'
import { lateHoldId } from '../../test/support/shop-model-money.ts'
import { ShopModel } from '../../test/support/shop-model.ts'
import { shopStory } from '../../test/support/shop-story.ts'
import { createMemoryFolder } from '../../test/support/temporary-folder.ts'

/**
 * The tests compare the scripts with a model of plain objects, over random commands in random
 * order. A failure prints the seed and the shortest story; `HOLDFAST_SEED=… npx vitest run
 * src/db/shop-model.test.ts` plays it again.
 */
const runs = Number(process.env['HOLDFAST_MODEL_RUNS'] ?? 100)
const holdSeconds = 120

async function openShop(): Promise<ComparedShop> {
  const fixture = await openSaleFixture(createMemoryFolder())
  const { clock, newId } = fixture
  const first = await fixture.sale({ stock: 6, priceMinor: 500, purchaseLimit: 4, holdSeconds })
  const free = await fixture.product(first.flashSaleId, { stock: 4, priceMinor: 0 })
  const second = await fixture.sale({ stock: 3, priceMinor: 700, holdSeconds: 20 })
  const hourMs = 3_600_000
  const now = clock.now()
  const sale = { state: 'open' as const, startsAt: now - hourMs, endsAt: now + hourMs }
  const long = { ...sale, id: first.flashSaleId, holdMs: holdSeconds * 1_000 }
  const short = { ...sale, id: second.flashSaleId, holdMs: 20_000 }
  const unlimited = { purchaseLimit: undefined }
  const model = new ShopModel(now, [
    { id: first.productId, sale: long, priceMinor: 500, purchaseLimit: 4, allotment: 6 },
    { id: free.productId, sale: long, priceMinor: 0, ...unlimited, allotment: 4 },
    { id: second.productId, sale: short, priceMinor: 700, ...unlimited, allotment: 3 },
  ])
  let lateIds = 0
  return {
    fixture,
    model,
    users: await fixture.users(3),
    wishes: [],
    newId,
    newLateId: () => lateHoldId((lateIds += 1)),
  }
}

const selectStock = `
  select product_id || ' ' || allotment || ' ' || available as line from stock order by product_id`
const selectHolds = `
  select id || ' ' || status || ' ' || coalesce(invoice_id, '-') || ' ' || expires_at as line from reservations order by id`
const selectInvoices = `
  select id || ' ' || status || ' ' || total_minor || ' ' || due_at as line from invoices order by id`
const selectPayments = `
  select id || ' ' || status || ' ' || (given_up_at is not null) as line from payments order by id`

async function realState({ fixture }: ComparedShop): Promise<readonly string[]> {
  const lines: string[] = []
  for (const select of [selectStock, selectHolds, selectInvoices, selectPayments]) {
    const rows = await fixture.rows<{ readonly line: string }>(select)
    lines.push(...rows.map(({ line }) => line))
  }
  return lines
}

function modelState({ model }: ComparedShop): readonly string[] {
  return [
    ...model.products.map(({ id, allotment }) => `${id} ${allotment} ${model.available(id)}`),
    ...model.holds
      .map(
        ({ id, status, invoiceId, expiresAt }) =>
          `${id} ${status} ${invoiceId ?? '-'} ${expiresAt}`,
      )
      .sort(),
    ...model.invoices
      .map(({ id, status, totalMinor, dueAt }) => `${id} ${status} ${totalMinor} ${dueAt}`)
      .sort(),
    ...model.payments.map(({ id, status, isGivenUp }) => `${id} ${status} ${+isGivenUp}`).sort(),
  ]
}

const withoutId = (answer: unknown): unknown =>
  typeof answer === 'string' ? answer.split(' ')[0] : answer

describe(`the scripts against a model (${runs} shops from seed ${testSeed})`, () => {
  const seen = new Set<string>()

  async function play(commands: readonly ShopCommand[]): Promise<void> {
    const shop = await openShop()
    try {
      for (const { name, apply } of commands) {
        const [real, modelled] = await apply(shop)
        expect({ [name]: real }).toEqual({ [name]: modelled })
        expect(await realState(shop)).toEqual(modelState(shop))
        expect(await shop.fixture.violated()).toEqual([])
        for (const kind of [real].flat()) seen.add(`${name} ${JSON.stringify(withoutId(kind))}`)
      }
    } finally {
      await shop.fixture.close()
    }
  }

  it('agree after every step, and the audit finds nothing', async () => {
    await fc.assert(fc.asyncProperty(shopStory, play), { seed: testSeed, numRuns: runs })
  }, 600_000)

  /**
   * Each of these happens in at least every fourth shop, so a hundred shops without it show a
   * mistake.
   */
  it('have met what a shop is for', () => {
    const wanted = [
      'adjust "adjusted"',
      'change state "changed"',
      'begin "begun"',
      'begin "nothing_to_pay"',
      'sweep cancelled 1',
      'begin "not_found"',
      'authorised "capture"',
      'captured "captured"',
      'declined "over"',
      'voided "over"',
      'came late "capture"',
      'came late "settled"',
      'moved "capture"',
      'check out "created"',
      'reserve "held"',
      'reserve "sold_out"',
      'reserve "replayed"',
      'reserve "purchase_limit_reached"',
      'expire 1',
    ]
    expect(wanted.filter((way) => !seen.has(way))).toEqual([])
  })
})
