import { entryPoints } from '../../../test/support/entry-points.ts'
import { addToCartInputContract } from './input.contract.ts'
import { addToCartContract } from './add-to-cart.contract.ts'

for (const entryPoint of entryPoints) {
  addToCartContract(entryPoint)
  addToCartInputContract(entryPoint)
}
