package com.acme.shop;

import io.sentry.JsonSerializer;
import io.sentry.Sentry;
import io.sentry.SentryOptions;
import java.io.FileWriter;
import java.io.StringWriter;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executors;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/** Fails in every way once: {@code Shop OUTPUT SEED} appends one JSON line a failure. */
public class Shop {
    static String bug = "";

    interface Failing {
        void run(int seed) throws Exception;
    }

    interface Prices {
        int of(int seed);

        default int twice(int seed) {
            return 2 * of(seed);
        }
    }

    static class Order {
        String customer;
        final int id;

        Order(int id) {
            if (id < 0) throw new IllegalArgumentException("order " + id + " is negative");
            this.id = id;
        }

        int length() {
            return customer.length();
        }
    }

    static class OrderException extends RuntimeException {
        OrderException(String message, Throwable cause) {
            super(message, cause);
        }
    }

    /*EXTRA*/

    static int lengthInCart(int seed) { return new Order(seed).length(); }

    static int lengthInInvoice(int seed) { return new Order(seed).length(); }

    static void inLambda(int seed) { List.of(seed, seed + 1).forEach(number -> new Order(number).length()); }

    static void inOtherLambda(int seed) { List.of(seed, seed + 1).forEach(number -> new Order(-number)); }

    static void inStream(int seed) { IntStream.range(seed, seed + 3).map(number -> number / (number - number)).sum(); }

    static void inParallelStream(int seed) { Stream.of(seed).parallel().map(number -> 1 / (number - number)).toList(); }

    static void anonymousClass(int seed) {
        new Runnable() {
            @Override
            public void run() {
                new Order(-seed);
            }
        }.run();
    }

    static void proxied(int seed) {
        Prices prices = number -> 100 / (number - number);
        Prices proxy = (Prices) Proxy.newProxyInstance(Shop.class.getClassLoader(), new Class<?>[] {Prices.class},
            (self, method, arguments) -> {
                try {
                    return method.invoke(prices, arguments);
                } catch (InvocationTargetException error) {
                    throw error.getCause();
                }
            });
        proxy.of(seed);
    }

    static void reflected(int seed) throws Exception {
        for (int at = 0; at < 1 + (seed % 2) * 20; at++) {
            try {
                Shop.class.getDeclaredMethod("lengthInCart", int.class).invoke(null, seed);
            } catch (InvocationTargetException error) {
                if (at == (seed % 2) * 20) throw error;
            }
        }
    }

    static void defaultMethod(int seed) {
        Prices prices = number -> 100 / (number - number);
        prices.twice(seed);
    }

    static void wrapped(int seed) {
        try {
            lengthInCart(seed);
        } catch (NullPointerException error) {
            throw new OrderException("order " + seed + " cannot be priced", error);
        }
    }

    static void future(int seed) throws Exception { CompletableFuture.supplyAsync(() -> lengthInCart(seed)).get(); }

    static void joined(int seed) { CompletableFuture.supplyAsync(() -> lengthInInvoice(seed)).join(); }

    static void pooled(int seed) throws Exception {
        var pool = Executors.newFixedThreadPool(2);
        try {
            pool.submit(() -> lengthInCart(seed)).get();
        } finally {
            pool.shutdown();
        }
    }

    static int endless(int seed) { return endlessOther(seed + 1) + 1; }

    static int endlessOther(int seed) { return endless(seed + 1) + Integer.toString(seed).length(); }

    static void walk(int depth, int seed) {
        if (depth == 0) throw new IllegalStateException("leaf " + seed);
        if (depth % 2 == 0) walkLeft(depth - 1, seed);
        else walk(depth - 1, seed);
    }

    static void walkLeft(int depth, int seed) { walk(depth, seed); }

    static void badNumber(int seed) { Integer.parseInt("12," + seed); }

    static void otherBadNumber(int seed) { Integer.parseInt(seed + " percent"); }

    static void cast(int seed) { Object text = "x" + seed; ((Integer) text).intValue(); }

    static void outside(int seed) { int unused = new int[seed][seed % 3].length; int[] few = new int[2]; few[seed] = 1; }

    public static void main(String[] arguments) throws Exception {
        int seed = Integer.parseInt(arguments[1]);
        FileWriter output = new FileWriter(arguments[0], true);
        SentryOptions given = new SentryOptions();
        Sentry.init(options -> {
            options.setDsn("http://key@localhost/1");
            options.addInAppInclude("com.acme");
            options.setBeforeSend((event, hint) -> {
                StringWriter text = new StringWriter();
                try {
                    new JsonSerializer(given).serialize(event, text);
                    output.write("{\"bug\":\"" + bug + "\",\"event\":" + text + "}\n");
                    output.flush();
                } catch (Exception error) {
                    throw new RuntimeException(error);
                }
                return null;
            });
        });
        Map<String, Failing> bugs = Map.ofEntries(
            Map.entry("lengthInCart", Shop::lengthInCart), Map.entry("lengthInInvoice", Shop::lengthInInvoice),
            Map.entry("inLambda", Shop::inLambda), Map.entry("inOtherLambda", Shop::inOtherLambda),
            Map.entry("inStream", Shop::inStream), Map.entry("inParallelStream", Shop::inParallelStream),
            Map.entry("anonymousClass", Shop::anonymousClass), Map.entry("proxied", Shop::proxied),
            Map.entry("reflected", Shop::reflected), Map.entry("defaultMethod", Shop::defaultMethod),
            Map.entry("wrapped", Shop::wrapped), Map.entry("future", Shop::future), Map.entry("joined", Shop::joined),
            Map.entry("pooled", Shop::pooled), Map.entry("endless", Shop::endless),
            Map.entry("walk", number -> walk(3 + number % 7, number)), Map.entry("badNumber", Shop::badNumber),
            Map.entry("otherBadNumber", Shop::otherBadNumber), Map.entry("cast", Shop::cast),
            Map.entry("outside", Shop::outside));
        for (var entry : bugs.entrySet()) {
            bug = entry.getKey();
            try {
                entry.getValue().run(seed);
            } catch (Throwable error) {
                Sentry.captureException(error);
            }
        }
    }
}
