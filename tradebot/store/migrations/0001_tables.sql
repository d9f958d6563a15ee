-- Times are nanoseconds UTC: `at` on the market's clock, `wall` on this machine's. `journal` is the hash of a journal's
-- first row, so that several machines can share a database; `seq` is the row of that journal a line came from.

-- migrate:up
CREATE TABLE cursors (
    journal text NOT NULL PRIMARY KEY,
    seq     bigint NOT NULL,
    hash    text NOT NULL
);

CREATE TABLE runs (
    journal     text NOT NULL,
    run         text NOT NULL,
    seq         bigint NOT NULL,
    at          bigint NOT NULL,
    wall        bigint NOT NULL,
    account     text NOT NULL,
    mode        text NOT NULL,
    venue       text NOT NULL,
    symbols     jsonb NOT NULL,
    config_hash text NOT NULL,
    versions    jsonb NOT NULL,
    pid         bigint NOT NULL,
    ended_at    bigint,
    end_reason  text,
    summary     jsonb,
    PRIMARY KEY (journal, run)
);

CREATE TABLE orders (
    journal        text NOT NULL,
    order_id       text NOT NULL,
    run            text NOT NULL,
    seq            bigint NOT NULL,
    account        text NOT NULL,
    symbol         text NOT NULL,
    exchange       text NOT NULL,
    side           text NOT NULL,
    kind           text NOT NULL,
    quantity       numeric NOT NULL,
    price          numeric,
    trigger_price  numeric,
    validity       text NOT NULL,
    product        text NOT NULL,
    purpose        text NOT NULL,
    strategy       text NOT NULL,
    signal_id      text NOT NULL,
    state          text NOT NULL,
    reason         text NOT NULL,
    venue_order_id text NOT NULL,
    filled         numeric NOT NULL,
    value          numeric NOT NULL,
    average_price  numeric,
    late_fills     bigint NOT NULL,
    begun_at       bigint NOT NULL,
    changed_at     bigint NOT NULL,
    PRIMARY KEY (journal, order_id)
);
CREATE INDEX orders_by_symbol ON orders (account, symbol, begun_at);

CREATE TABLE order_events (
    journal        text NOT NULL,
    seq            bigint NOT NULL,
    run            text NOT NULL,
    order_id       text NOT NULL,
    event          text NOT NULL,
    state          text NOT NULL,
    at             bigint NOT NULL,
    mono           bigint NOT NULL,
    wall           bigint NOT NULL,
    reason         text NOT NULL,
    venue_order_id text NOT NULL,
    checks         jsonb NOT NULL,
    inputs         jsonb NOT NULL,
    PRIMARY KEY (journal, seq)
);
CREATE INDEX order_events_by_order ON order_events (journal, order_id, seq);

CREATE TABLE fills (
    journal        text NOT NULL,
    seq            bigint NOT NULL,
    run            text NOT NULL,
    account        text NOT NULL,
    order_id       text NOT NULL,
    execution_id   text NOT NULL,
    venue_order_id text NOT NULL,
    symbol         text NOT NULL,
    exchange       text NOT NULL,
    side           text NOT NULL,
    quantity       numeric NOT NULL,
    price          numeric NOT NULL,
    charges        numeric NOT NULL,
    product        text NOT NULL,
    strategy       text NOT NULL,
    traded_at      bigint NOT NULL,
    PRIMARY KEY (journal, seq)
);
CREATE UNIQUE INDEX fills_once ON fills (journal, order_id, exchange, execution_id);
CREATE INDEX fills_by_symbol ON fills (account, symbol, traded_at);

CREATE TABLE positions (
    journal  text NOT NULL,
    account  text NOT NULL,
    symbol   text NOT NULL,
    seq      bigint NOT NULL,
    at       bigint NOT NULL,
    quantity numeric NOT NULL,
    cost     numeric NOT NULL,
    realized numeric NOT NULL,
    charges  numeric NOT NULL,
    bought   numeric NOT NULL,
    sold     numeric NOT NULL,
    mark     numeric NOT NULL,
    PRIMARY KEY (journal, account, symbol)
);

-- One line at each close of bars and each comparison with the venue; `cash` is what the venue said last.
CREATE TABLE equity (
    journal    text NOT NULL,
    seq        bigint NOT NULL,
    run        text NOT NULL,
    account    text NOT NULL,
    at         bigint NOT NULL,
    cash       numeric,
    realized   numeric NOT NULL,
    charges    numeric NOT NULL,
    unrealized numeric NOT NULL,
    net        numeric NOT NULL,
    exposure   numeric NOT NULL,
    PRIMARY KEY (journal, seq)
);
CREATE INDEX equity_by_time ON equity (account, at);

CREATE TABLE signals (
    journal   text NOT NULL,
    seq       bigint NOT NULL,
    place     bigint NOT NULL,
    run       text NOT NULL,
    signal_id text NOT NULL,
    strategy  text NOT NULL,
    symbol    text NOT NULL,
    action    text NOT NULL,
    bar_at    bigint NOT NULL,
    close     double precision,
    quantity  double precision,
    stop_loss double precision,
    trail_by  double precision,
    target    double precision,
    inputs    jsonb NOT NULL,
    PRIMARY KEY (journal, seq, place)
);
CREATE INDEX signals_by_symbol ON signals (symbol, bar_at);

CREATE TABLE bars (
    journal     text NOT NULL,
    run         text NOT NULL,
    exchange    text NOT NULL,
    symbol      text NOT NULL,
    interval_ns bigint NOT NULL,
    starts_at   bigint NOT NULL,
    ends_at     bigint NOT NULL,
    seq         bigint NOT NULL,
    open        numeric NOT NULL,
    high        numeric NOT NULL,
    low         numeric NOT NULL,
    close       numeric NOT NULL,
    volume      numeric NOT NULL,
    ticks       bigint NOT NULL,
    PRIMARY KEY (journal, run, exchange, symbol, interval_ns, starts_at)
);
CREATE INDEX bars_by_symbol ON bars (symbol, interval_ns, starts_at);

-- migrate:down
DROP TABLE bars;
DROP TABLE signals;
DROP TABLE equity;
DROP TABLE positions;
DROP TABLE fills;
DROP TABLE order_events;
DROP TABLE orders;
DROP TABLE runs;
DROP TABLE cursors;
