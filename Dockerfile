# Build with everything, ship what runs: production dependencies, the compiled tree, the migrations.
FROM node:22-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci
COPY tsconfig.json tsconfig.build.json ./
COPY src ./src
RUN npm run build && npm prune --omit=dev

FROM node:22-bookworm-slim
WORKDIR /app
COPY --from=build /app/package.json ./
COPY --from=build /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
COPY migrations ./migrations
# A fresh named volume mounted on /data takes over this owner.
RUN mkdir /data && chown node:node /data
USER node
# Inside the container only; what is published, and where, is the caller's choice.
ENV HOST=0.0.0.0 PORT=3000 \
    DATABASE_PATH=/data/holdfast.db \
    PAYMENT_SIMULATOR_PATH=/data/payment-simulator.db
VOLUME /data
EXPOSE 3000
HEALTHCHECK --interval=5s --timeout=3s --start-period=20s --retries=3 \
  CMD ["node", "-e", "fetch('http://127.0.0.1:' + process.env.PORT + '/livez').then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]
CMD ["node", "dist/main.js"]
