using System.Text.Json;
using RunnerVm.Vmm.Monitor.Configuration;
using RunnerVm.Vmm.Monitor.Json;

namespace RunnerVm.Vmm.Monitor.Api.Bodies;

/// <summary>Rate limiters and their token buckets as JSON.</summary>
internal static class LimiterBody
{
    public static RateLimiterConfiguration? Read(JsonFields fields, string name)
    {
        if (fields.Object(name) is not { } limiter) return null;
        var read = new RateLimiterConfiguration { Bandwidth = ReadBucket(limiter, "bandwidth"), Ops = ReadBucket(limiter, "ops") };
        limiter.NoOthers();
        return read;
    }

    public static TokenBucketConfiguration? ReadBucket(JsonFields fields, string name)
    {
        if (fields.Object(name) is not { } bucket) return null;
        var read = new TokenBucketConfiguration
        {
            Size = bucket.RequiredNumber("size", 0, long.MaxValue),
            OneTimeBurst = bucket.Number("one_time_burst", 0, long.MaxValue),
            RefillTime = bucket.RequiredNumber("refill_time", 0, long.MaxValue),
        };
        bucket.NoOthers();
        return read;
    }

    public static void Write(Utf8JsonWriter writer, string name, RateLimiterConfiguration? limiter)
    {
        writer.WritePropertyName(name);
        // As Firecracker: limits that limit nothing are none.
        var (bandwidth, ops) = (Limiting(limiter?.Bandwidth), Limiting(limiter?.Ops));
        if (bandwidth is null && ops is null)
        {
            writer.WriteNullValue();
            return;
        }

        writer.WriteStartObject();
        WriteBucket(writer, "bandwidth", bandwidth);
        WriteBucket(writer, "ops", ops);
        writer.WriteEndObject();
    }

    private static TokenBucketConfiguration? Limiting(TokenBucketConfiguration? bucket) => bucket is { Size: > 0, RefillTime: > 0 } ? bucket : null;

    private static void WriteBucket(Utf8JsonWriter writer, string name, TokenBucketConfiguration? bucket)
    {
        writer.WritePropertyName(name);
        if (bucket is null)
        {
            writer.WriteNullValue();
            return;
        }

        writer.WriteStartObject();
        writer.WriteNumber("size", bucket.Size);
        if (bucket.OneTimeBurst is { } burst) writer.WriteNumber("one_time_burst", burst);
        else writer.WriteNull("one_time_burst");
        writer.WriteNumber("refill_time", bucket.RefillTime);
        writer.WriteEndObject();
    }
}
