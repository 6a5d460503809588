# Builds with everything and ships what runs: production dependencies, the compiled program and its commands,
# the scripts that load them (npm run audit, npm run migrate), and the migrations.
FROM node:24-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci
COPY tsconfig.json tsconfig.build.json ./
COPY src ./src
RUN npm run build && npm prune --omit=dev

FROM node:24-bookworm-slim
WORKDIR /app
COPY --from=build /app/package.json ./
COPY --from=build /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
COPY migrations ./migrations
COPY scripts/command.js scripts/start.js scripts/load.js scripts/build.js scripts/installed.js ./scripts/
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
