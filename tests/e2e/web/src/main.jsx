import "./instrument.js";
import * as Sentry from "@sentry/react";
import { createRoot } from "react-dom/client";
import { Shop } from "./shop.jsx";

Sentry.setUser({ id: "user-11" });
Sentry.setTag("theme", "dark");
Sentry.setContext("basket", { items: 6 });

createRoot(document.getElementById("root")).render(<Shop />);
