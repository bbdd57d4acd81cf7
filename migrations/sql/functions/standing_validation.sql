-- The standing validation under which a voucher goes out of a drawer at an instant, if there is one:
-- the newest version of the drawer's fund, unless it is over or leaves out a category of the
-- requisition. A fund without a limit for cash has none. PL/pgSQL keeps its plan.
CREATE OR REPLACE FUNCTION standing_validation(
    p_requisition uuid, p_store uuid, p_at timestamptz
) RETURNS uuid LANGUAGE plpgsql STABLE AS $body$
BEGIN
    RETURN (SELECT v.id
        FROM requisitions r
            JOIN stores s ON s.id = p_store AND s.company_id = r.company_id AND s.kind = 'drawer'
            JOIN funds f ON f.id = s.fund_id AND f.is_active AND f.cash_limit IS NOT NULL
            CROSS JOIN LATERAL (SELECT n.id, n.categories, n.valid_until, n.created_at
                FROM standing_validations n WHERE n.fund_id = f.id
                ORDER BY n.version DESC LIMIT 1) v
        WHERE r.id = p_requisition
            AND v.created_at <= p_at AND (v.valid_until IS NULL OR v.valid_until > p_at)
            AND v.categories <> '[]' AND NOT EXISTS (SELECT FROM requisition_lines l
                WHERE l.requisition_id = r.id AND NOT v.categories ? l.category));
END
$body$;

REVOKE ALL ON FUNCTION standing_validation FROM PUBLIC;
GRANT EXECUTE ON FUNCTION standing_validation TO pettycash_app;
