import { doors } from '../testing/doors.ts'
import { addToCartInputContract } from './add-to-cart-input.contract.ts'
import { addToCartContract } from './add-to-cart.contract.ts'

for (const door of doors) {
  addToCartContract(door)
  addToCartInputContract(door)
}
