-- A position is of an exchange, a symbol, a product and an owner: shares held for delivery are no part of an intraday
-- position, and what other hands hold in the account is no part of ours. Lines of before take both from their last fill.

-- migrate:up

CREATE TABLE positions_by_key (
    journal  text NOT NULL,
    account  text NOT NULL,
    exchange text NOT NULL,
    symbol   text NOT NULL,
    product  text NOT NULL,
    owner    text NOT NULL,
    seq      bigint NOT NULL,
    at       bigint NOT NULL,
    quantity numeric NOT NULL,
    cost     numeric NOT NULL,
    realized numeric NOT NULL,
    charges  numeric NOT NULL,
    bought   numeric NOT NULL,
    sold     numeric NOT NULL,
    mark     numeric NOT NULL,
    PRIMARY KEY (journal, account, exchange, symbol, product, owner)
);

INSERT INTO positions_by_key (
    journal, account, exchange, symbol, product, owner, seq, at, quantity, cost, realized, charges, bought, sold, mark
)
SELECT
    p.journal,
    p.account,
    coalesce((
        SELECT f.exchange FROM fills AS f
        WHERE f.journal = p.journal AND f.account = p.account AND f.symbol = p.symbol
        ORDER BY f.seq DESC LIMIT 1
    ), ''),
    p.symbol,
    coalesce((
        SELECT f.product FROM fills AS f
        WHERE f.journal = p.journal AND f.account = p.account AND f.symbol = p.symbol
        ORDER BY f.seq DESC LIMIT 1
    ), ''),
    'ours',
    p.seq, p.at, p.quantity, p.cost, p.realized, p.charges, p.bought, p.sold, p.mark
FROM positions AS p;

DROP TABLE positions;
ALTER TABLE positions_by_key RENAME TO positions;

-- migrate:down

CREATE TABLE positions_by_symbol (
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

INSERT INTO positions_by_symbol (
    journal, account, symbol, seq, at, quantity, cost, realized, charges, bought, sold, mark
)
SELECT
    p.journal, p.account, p.symbol, max(p.seq), max(p.at), sum(p.quantity), sum(p.cost), sum(p.realized),
    sum(p.charges), sum(p.bought), sum(p.sold), max(p.mark)
FROM positions AS p
WHERE p.owner = 'ours'
GROUP BY p.journal, p.account, p.symbol;

DROP TABLE positions;
ALTER TABLE positions_by_symbol RENAME TO positions;
