import { doors } from '../../../test/support/server-parts.ts'
import { addToCartInputContract } from './input.contract.ts'
import { addToCartContract } from './add-to-cart.contract.ts'

for (const door of doors) {
  addToCartContract(door)
  addToCartInputContract(door)
}
