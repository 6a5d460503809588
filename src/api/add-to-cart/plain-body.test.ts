import fc from 'fast-check'
import { expect, test } from 'vitest'
import { testSeed } from '../../../test/support/seed.ts'
import { addToCartBody, readPlainBody } from './handler.ts'

test('a body read without the schema is what the schema makes of it, and every usual one is', () => {
  const id = fc.oneof(fc.integer({ min: -1, max: 3 }), fc.constant(2 ** 53), fc.jsonValue())
  const quantity = fc.oneof(id, fc.integer({ min: 998, max: 1_002 }))
  const shape = { flashSaleId: id, productId: id, quantity, extra: id }
  const bodies = fc.record(shape, { requiredKeys: [], noNullPrototype: true })
  fc.assert(
    fc.property(bodies, (value) => {
      const body = JSON.parse(JSON.stringify(value)) as object
      const plain = readPlainBody(body)
      const { success, data } = addToCartBody.safeParse(body)
      if (success || plain !== undefined) expect(plain).toEqual(data)
    }),
    { seed: testSeed, numRuns: 2_000 },
  )
  expect(readPlainBody([])).toBeUndefined()
  expect(readPlainBody({ flashSaleId: 1, productId: 2 })).toEqual({
    flashSaleId: 1,
    productId: 2,
    quantity: 1,
  })
})
